"""The chip catalogue."""

import pytest

from clusters.hardware import catalogue, hardware


@pytest.mark.parametrize("name", catalogue())
def test_every_chip_has_cores_and_a_rate(name: str) -> None:
    chip = hardware(name)
    assert chip.cores_per_chip in (1, 2)
    assert chip.rate("ViT-B/16") > 0


def test_the_papers_own_rates() -> None:
    chip = hardware("tpu-v3")
    assert chip.rate("ViT-H/14") == pytest.approx(1.70, abs=0.01)  # facts of Table 2 and Table 6
    assert chip.rate("ViT-L/16") == pytest.approx(2.30, abs=0.01)
    # 61.5 TFLOP/s a core at full use are 5.31 exaFLOPs a day
    assert chip.rate("ViT-L/16", utilisation=1.0) == pytest.approx(61.5 * 86_400 / 1e6)
    assert chip.rate("ViT-L/16") / chip.rate("", utilisation=1.0) == pytest.approx(0.43, abs=0.01)


def test_prices_are_by_chip_and_hour() -> None:
    assert hardware("tpu-v3").price_usd(2.0) == pytest.approx(24 * 2.00)  # two cores a chip
    assert hardware("h100").price_usd(1.0) is None


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown hardware 'tpu-v33': try tpu-v3"):
        hardware("tpu-v33")
    with pytest.raises(ValueError, match="utilisation must be in"):
        hardware("h100").rate("x", utilisation=1.5)
    with pytest.raises(ValueError, match="no catalogued peak"):
        hardware("cpu").rate("x", utilisation=0.5)

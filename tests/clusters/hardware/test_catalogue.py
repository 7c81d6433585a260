"""The chip catalogue."""

import pytest

from clusters.hardware.catalogue import catalogue, chip_generation, chip_named, chip_of_device


@pytest.mark.parametrize("name", catalogue())
def test_every_chip_has_cores_and_a_rate(name: str) -> None:
    chip = chip_named(name)
    assert chip.cores_per_chip in (1, 2)
    assert chip.rate("ViT-B/16") > 0


def test_the_papers_own_rates() -> None:
    chip = chip_named("tpu-v3")
    assert chip.rate("ViT-H/14") == pytest.approx(1.70, abs=0.01)  # facts of Table 2 and Table 6
    assert chip.rate("ViT-L/16") == pytest.approx(2.30, abs=0.01)
    # 61.5 TFLOP/s a core at full use are 5.31 exaFLOPs a day
    assert chip.rate("ViT-L/16", utilisation=1.0) == pytest.approx(61.5 * 86_400 / 1e6)
    assert chip.rate("ViT-L/16") / chip.rate("", utilisation=1.0) == pytest.approx(0.43, abs=0.01)


def test_prices_are_by_chip_and_hour() -> None:
    assert chip_named("tpu-v3").price_usd(2.0) == pytest.approx(24 * 2.00)  # two cores a chip
    assert chip_named("h100").price_usd(1.0) is None


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown hardware 'tpu-v33': try tpu-v3"):
        chip_named("tpu-v33")
    with pytest.raises(ValueError, match="utilisation must be in"):
        chip_named("h100").rate("x", utilisation=1.5)
    with pytest.raises(ValueError, match="no catalogued peak"):
        chip_named("cpu").rate("x", utilisation=0.5)


CHIPS = [name for name in catalogue() if name != "cpu"]


@pytest.mark.parametrize("name", CHIPS)
def test_facts_are_known_with_their_source_or_left_out(name: str) -> None:
    chip = chip_named(name)
    assert chip.memory_gb
    assert chip.peak_tflops
    assert all(peak > 0 for peak in chip.peaks.values())
    assert chip.peak_source
    assert chip.as_of
    price = chip.price_usd_per_chip_hour
    assert price is None or price > 0
    assert (price is None) == (chip.price_source is None)


@pytest.mark.parametrize("name", CHIPS)
def test_rays_names_of_the_chips(name: str) -> None:
    from ray.util.accelerators import accelerators

    assert chip_named(name).ray in {value for value in vars(accelerators).values() if isinstance(value, str)}


@pytest.mark.parametrize(
    ("device", "chip"),
    [
        ("cpu", "cpu"),
        (None, "cpu"),
        ("tpu-v4", "tpu-v4"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", None),  # another peak
        ("NVIDIA A100-SXM4-40GB", "a100"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-80gb"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", None),
        ("Tesla T4", "t4"),
        ("NVIDIA GeForce RTX 3090", None),
    ],
)
def test_a_device_is_recognised_by_its_name(device: str | None, chip: str | None) -> None:
    found = chip_of_device(device, {})
    assert (found and found.name) == chip


@pytest.mark.parametrize(
    ("kind", "chip"), [("v4-16", "tpu-v4"), ("v5litepod-16", "tpu-v5e"), ("tpu7x-8", "tpu-v7x"), ("v99-8", None)]
)
def test_a_tpu_machine_is_recognised_by_its_environment_and_in_the_account(kind: str, chip: str | None) -> None:
    for found in (chip_of_device(None, {"TPU_ACCELERATOR_TYPE": kind}), chip_of_device(f"tpu {kind}")):
        assert (found and found.name) == chip


def test_generations_have_several_names() -> None:
    assert chip_generation("v5e") == chip_generation("v5litepod") == chip_generation("tpu-v5e") == chip_named("tpu-v5e")
    assert chip_generation("h100") is None

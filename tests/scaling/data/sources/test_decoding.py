"""Sizes from headers, and JPEGs decoded at a part of their size, by either decoder."""

import numpy as np
import pytest

from scaling.data.sources import decoding
from scaling.data.sources.decoding import decode, decode_reduced, image_size
from scaling.data.sources.encoding import png
from tests.helpers.photographs import jpeg


@pytest.fixture(params=["simplejpeg", "pillow"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pillow":
        monkeypatch.setattr(decoding, "simplejpeg", None)
    else:
        pytest.importorskip("simplejpeg")


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("shape", [(97, 120), (80, 63), (256, 256)])
def test_reduced_jpegs_are_means_of_the_whole(shape: tuple[int, int], mode: str) -> None:
    data = jpeg(0, *shape, mode)
    whole = decode(data)
    assert whole.shape == (*shape, 3)
    assert image_size(data) == shape
    for factor in (2, 4, 8):
        found = decode_reduced(data, factor)
        assert found is not None
        assert found.shape == (-(-shape[0] // factor), -(-shape[1] // factor), 3)
        height, width = shape[0] // factor, shape[1] // factor
        blocks = whole[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
        difference = np.abs(found[:height, :width].astype(float) - blocks.mean(axis=(1, 3)))
        assert difference.mean() < 2.5


@pytest.mark.usefixtures("decoder")
def test_other_formats_are_not_reduced() -> None:
    data = png(np.zeros((40, 30, 3), np.uint8))
    assert decode_reduced(data, 2) is None
    assert image_size(data) == (40, 30)

"""The short side to a size, then the centre."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaling.data.sources.images import Images
from scaling.data.sources.read import open_split
from scaling.evaluate.center_crop import center_crops


@pytest.fixture
def photos(tmp_path: Path) -> Images:
    """A wide, a tall and a square picture: red rises from left to right, blue from top to bottom."""
    folder = tmp_path / "0"
    folder.mkdir()
    for i, (height, width) in enumerate([(20, 60), (60, 20), (32, 32)]):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 255, width)[None]
        pixels[..., 2] = np.linspace(0, 255, height)[:, None]
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return open_split(f"imagefolder:{tmp_path}", None)


def test_aspect_is_kept_and_the_centre_taken(photos: Images) -> None:
    out = center_crops(photos, np.array([0, 1]), resize=40, resolution=32).numpy().astype(int)
    assert out.shape == (2, 3, 32, 32)
    wide, tall = out
    middle = slice(15, 17)
    assert abs(wide[0][:, middle].mean() - 127.5) < 3
    assert wide[0].max() - wide[0].min() == pytest.approx(255 * 32 / 120, abs=6)  # 32 of 120 pixels wide
    assert wide[2].max() - wide[2].min() == pytest.approx(255 * 32 / 40, abs=12)  # 32 of 40 pixels high
    assert np.abs(tall[2] - wide[0].T).max() <= 1


def test_without_a_resize_the_pixels_are_the_images_own(photos: Images) -> None:
    (out,) = center_crops(photos, np.array([2]), resize=32, resolution=16).numpy()
    assert np.array_equal(out.transpose(1, 2, 0), photos.decode(2)[8:24, 8:24])

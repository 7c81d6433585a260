"""What the hash and the comparison do not see, and what they do."""

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from scaling.data.sources.read import open_split
from scaling.deduplicate import perceptual


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """uint8 [40, 32, 32, 3]."""
    pixels = open_split("ifs:classes=10,images=4,size=32", None).pixels(np.arange(40))
    assert isinstance(pixels, np.ndarray)
    return pixels


def thumbnails(pixels: np.ndarray) -> np.ndarray:
    return np.stack([perceptual.thumbnail(image) for image in pixels])


def residual(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return perceptual.residuals(perceptual.tangents(ours), perceptual.signatures(theirs))


def test_bits_are_signs_of_the_low_frequencies(pictures: np.ndarray) -> None:
    made = thumbnails(pictures)
    low = dctn(made.astype(float), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(40, 64)
    sure = np.abs(low) > 1e-2
    bits = np.unpackbits(perceptual.perceptual_hashes(made)[:, None].view(np.uint8), axis=1).astype(bool)
    assert sure.mean() > 0.9
    assert not bits[:, 0].any()  # the mean
    assert np.array_equal(bits[:, 1:][sure[:, 1:]], (low > 0)[:, 1:][sure[:, 1:]])


def test_light_contrast_and_small_moves_leave_nothing_over(pictures: np.ndarray) -> None:
    made = thumbnails(pictures)
    assert residual(made, 0.8 * made + 10).max() < 1e-5
    others = np.roll(made, 1, axis=0)
    moved = np.stack([perceptual.crops(image)[5] for image in pictures])  # 5 % smaller in the middle
    assert np.median(residual(made, moved)) < 0.1 * np.median(residual(made, others))


def test_the_first_crop_is_the_whole_image(pictures: np.ndarray) -> None:
    made = perceptual.crops(pictures[0])
    assert made.shape == (perceptual.CROPS, perceptual.SIDE, perceptual.SIDE)
    assert np.array_equal(made[0], perceptual.thumbnail(pictures[0]))
    corner = np.asarray(Image.fromarray(pictures[0]).convert("L").convert("F").crop((0, 0, 31, 31)).resize((16, 16), 2))
    assert np.abs(made[1] - corner).mean() < 10


def test_an_image_without_contrast_is_flat(pictures: np.ndarray) -> None:
    grey = np.full_like(pictures[:1], 7)
    flat = perceptual.flat(perceptual.signatures(thumbnails(np.concatenate([grey, pictures[:3]]))))
    assert flat.tolist() == [True, False, False, False]

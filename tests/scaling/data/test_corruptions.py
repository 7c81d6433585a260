"""Corruptions: functions of (corruption, severity, index, seed), stronger with severity, of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.data.builtin_sets import Ifs
from scaling.data.corruptions import corrupt, corrupted_images
from scaling.data.corruptions.images import FUNCTIONS
from scaling.data.corruptions.strengths import STRENGTHS
from scaling.data.pipeline.preprocessing import eval_images
from scaling.data.sources.read import open_split
from scaling.specs.evaluations import CORRUPTIONS

EXACT = ("brightness", "contrast", "pixelate", "jpeg_compression", "zoom_blur", "defocus_blur")  # nothing is drawn


def picture(side: int) -> np.ndarray:
    """Smooth colours with an edge."""
    row, column = np.mgrid[:side, :side] / side
    x = np.stack([row, column, (row > column) * 0.8], axis=-1)
    return (x * 255).astype(np.uint8)


def test_every_corruption_has_its_function_and_strengths() -> None:
    assert list(FUNCTIONS) == list(STRENGTHS) == list(CORRUPTIONS)
    assert all(len(severities) == 5 for both in STRENGTHS.values() for severities in both)


@given(
    name=st.sampled_from(CORRUPTIONS),
    severity=st.integers(1, 5),
    side=st.sampled_from([8, 17, 32, 48]),
    index=st.integers(0, 2**40),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60)
def test_a_corruption_is_a_function_of_what_it_is_given(
    name: str, severity: int, side: int, index: int, seed: int
) -> None:
    image = picture(side)
    before = image.copy()
    x = corrupt(image, name, severity, index=index, seed=seed)
    assert x.shape == image.shape
    assert x.dtype == np.uint8
    assert (image == before).all()
    assert (x == corrupt(image, name, severity, index=index, seed=seed)).all()
    other = corrupt(image, name, severity, index=index + 1, seed=seed)
    assert (x == other).all() or name not in EXACT


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "elastic_transform"])
def test_the_strongest_is_further_away_than_the_weakest(name: str) -> None:
    """Of the elastic transform, by the benchmark's own numbers, severities 1 and 2 move pixels furthest."""
    image = picture(64)
    weak, strong = (
        np.mean([np.abs(corrupt(image, name, severity, index=i) - 1.0 * image).mean() for i in range(4)])
        for severity in (1, 5)
    )
    assert strong > weak > 0


def test_strengths_are_those_of_cifar_at_32_pixels_and_of_imagenet_at_224() -> None:
    grey = np.full((224, 224, 3), 128, np.uint8)
    for side, strengths in ((32, (0.04, 0.10)), (224, (0.08, 0.38)), (84, (0.0597, 0.2385))):
        for severity, std in zip((1, 5), strengths, strict=True):
            many = [
                corrupt(grey[:side, :side], "gaussian_noise", severity, index=i) for i in range(40 if side < 224 else 1)
            ]
            clipped = np.clip(128 / 255 + std * np.random.default_rng(0).normal(size=10**6), 0, 1).std()
            assert np.stack(many).std() / 255 == pytest.approx(clipped, rel=0.02)
    contrast = corrupt(picture(32), "contrast", 1)
    assert np.ptp(contrast[..., 0].astype(float)) == pytest.approx(
        0.75 * np.ptp(picture(32)[..., 0].astype(float)), abs=1
    )


def test_images_of_a_batch_are_those_that_are_corrupted_alone() -> None:
    images = open_split(str(Ifs(classes=3, images=4, size=64)), None)
    index = np.array([7, 2])
    x = corrupted_images(images, index, 64, "glass_blur", 3, 5).permute(0, 2, 3, 1).numpy()  # by threads
    alone = eval_images(images, index, 64).permute(0, 2, 3, 1).numpy()
    for place, i in enumerate(index.tolist()):
        assert (x[place] == corrupt(alone[place], "glass_blur", 3, index=i, seed=5)).all()


@pytest.mark.parametrize(
    ("shape", "name", "severity", "said"),
    [
        ((8, 9, 3), "fog", 1, r"must be square, \[R, R, 3\], got \(8, 9, 3\)"),
        ((8, 8, 3), "rain", 1, "corruption must be one of gaussian_noise, .*, got 'rain'"),
        ((8, 8, 3), "fog", 0, "severity must be 1 to 5, got 0"),
    ],
)
def test_what_is_wrong_is_named(shape: tuple[int, ...], name: str, severity: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        corrupt(np.zeros(shape, np.uint8), name, severity)

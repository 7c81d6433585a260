"""Images of one bag of tiles: only the arrangement tells the class."""

import numpy as np
import pytest

from scaling.data.sources import layouts
from scaling.data.sources.ifs import TEST_NUMBERS


def tile_colours(images: np.ndarray) -> np.ndarray:
    """Which of the colours each tile has, int64 [n, tiles]."""
    n, size, tile = len(images), images.shape[1], layouts.TILE
    cut = images.reshape(n, size // tile, tile, size // tile, tile, 3).astype(float) - 128
    means = cut.mean(axis=(2, 4)).reshape(n, -1, 3)
    ideal = layouts.STRENGTH * layouts.COLOURS
    nearest: np.ndarray = ((means[:, :, None] - ideal) ** 2).sum(axis=-1).argmin(axis=-1)
    return nearest


def test_an_image_is_a_function_of_seed_class_and_number() -> None:
    images = layouts.render_layouts(0, 3, np.arange(40), 16)
    assert images.shape == (40, 16, 16, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(layouts.render_layouts(0, 3, np.array([39, 2]), 16), images[[39, 2]])
    others = [(1, 3, np.arange(40)), (0, 4, np.arange(40)), (0, 3, TEST_NUMBERS + np.arange(40))]
    for seed, label, numbers in others:
        assert (layouts.render_layouts(seed, label, numbers, 16) != images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(("size", "bag"), [(16, [4] * 4), (32, [16] * 4), (48, [36] * 4)])
def test_all_images_show_the_same_bag_of_tiles(size: int, bag: list[int]) -> None:
    for label in range(layouts.CLASSES):
        for kinds in tile_colours(layouts.render_layouts(0, label, np.arange(3), size)):
            assert np.bincount(kinds).tolist() == bag


def test_no_patch_shows_a_boundary() -> None:
    """A tile has one colour: its pixels differ by the noise alone."""
    images = layouts.render_layouts(0, 0, np.arange(20), 16).reshape(20, 4, 4, 4, 4, 3).astype(float)
    assert np.ptp(images, axis=(2, 4)).max() <= 2 * layouts.NOISE + 1


def test_tiles_tell_a_class_by_their_places_alone() -> None:
    """The same shades in every class; another arrangement in every class."""
    images = np.stack([layouts.render_layouts(0, label, np.arange(40), 16) for label in range(layouts.CLASSES)])
    kinds = tile_colours(images.reshape(-1, 16, 16, 3))
    classes = np.stack([layouts.arrangement(0, label, 4) for label in range(layouts.CLASSES)])
    nearest = (kinds[:, None] != classes).sum(axis=-1).argmin(axis=1)
    assert (nearest == np.repeat(np.arange(layouts.CLASSES), 40)).mean() > 0.99
    shades = images.reshape(layouts.CLASSES, -1, 3).mean(axis=1)
    assert np.ptp(shades, axis=0).max() < 2.0  # grey levels


def test_neighbours_tell_a_class_too() -> None:
    """Which colour is right of, and below, which other: other pairs in every class, wherever the pattern begins."""
    patterns = set()
    for label in range(layouts.CLASSES):
        kinds = layouts.arrangement(0, label, 8).reshape(8, 8)
        right = {(int(a), int(b)) for a, b in zip(kinds[:, :-1].flat, kinds[:, 1:].flat, strict=True)}
        below = {(int(a), int(b)) for a, b in zip(kinds[:-1].flat, kinds[1:].flat, strict=True)}
        patterns.add((frozenset(right), frozenset(below)))
    assert len(patterns) == layouts.CLASSES


def test_images_of_a_class_have_a_few_tiles_swapped() -> None:
    away = (tile_colours(layouts.render_layouts(0, 5, np.arange(200), 32)) != layouts.arrangement(0, 5, 8)).sum(axis=1)
    assert away.max() == 8  # four pairs
    assert 0.65 < away.mean() / 8 < 0.85  # about a quarter of the pairs have one colour

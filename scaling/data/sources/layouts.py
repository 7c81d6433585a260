"""Images whose class is decided by where things are: a data set without a download, for studies of position embeddings.

Every image consists of the same bag of plain tiles of 4x4 pixels, a quarter of them in each of four colours. A class is
an arrangement of the colours: one of six cyclic orders, and how many places in that order one tile to the right and one
tile down are apart. Images of a class differ by a few swapped tiles, by the tiles' strength and by noise. So a model of
a bag of 4x4 patches is no better than chance, while absolute as well as relative positions tell the class. Every image
is a function of (seed, class, number) alone.
"""

from itertools import permutations

import numpy as np

from scaling.randomness import permute, uniforms

GENERATOR = 1  # part of the fingerprint: raise it with every change that moves a pixel
TILE = 4  # pixels on a side
PERIOD = 4  # tiles; the side is a multiple of it, so that all classes have the same bag of tiles
# Steps in the order, to the right and down; of two that differ only in the order's direction, one.
STEPS = ((1, 0), (0, 1), (1, 1), (1, 2), (2, 1), (3, 1))
ORDERS = [(0, *rest) for rest in permutations((1, 2, 3))]
CLASSES = len(STEPS) * len(ORDERS)
COLOURS = np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1], [0.6, 0.6, 0.6]])  # away from grey
STRENGTH = 60.0  # of a colour in grey levels; each tile has 0.7 to 1.3 times that
NOISE = 20.0  # largest noise of a pixel in grey levels
TILES_PER_SWAP = 16  # one pair of tiles is swapped for that many tiles


def render_layouts(seed: int, label: int, numbers: np.ndarray, size: int) -> np.ndarray:
    """Images of one class.

    Args:
        seed: seed of the whole set.
        label: the class, below CLASSES.
        numbers: int64 [n], which images.
        size: pixels on a side, a multiple of TILE * PERIOD.

    Returns:
        uint8 [n, size, size, 3].
    """
    grid = size // TILE
    kinds = _swapped(arrangement(seed, label, grid), uniforms(seed, _stream(0, label), numbers, grid * grid))
    strength = 0.7 + 0.6 * uniforms(seed, _stream(1, label), numbers, grid * grid)
    tiles = 128 + STRENGTH * strength[..., None] * COLOURS[kinds]  # [n, tiles, 3]
    pixels = tiles.reshape(-1, grid, grid, 3).repeat(TILE, axis=1).repeat(TILE, axis=2)
    noise = 2 * uniforms(seed, _stream(2, label), numbers, size * size * 3) - 1
    images: np.ndarray = (pixels + NOISE * noise.reshape(pixels.shape) + 0.5).astype(np.uint8)
    return images


def arrangement(seed: int, label: int, grid: int) -> np.ndarray:
    """The class's colours, tile by tile in raster order: int64 [grid * grid]. The seed shuffles the classes."""
    shuffled = int(permute(np.array([label]), CLASSES, seed)[0])
    (right, down), order = STEPS[shuffled % len(STEPS)], ORDERS[shuffled // len(STEPS)]
    rows, columns = np.divmod(np.arange(grid * grid), grid)
    tiles: np.ndarray = np.array(order)[(right * columns + down * rows) % PERIOD]
    return tiles


def _swapped(kinds: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The arrangement [tiles] of each image, with pairs of tiles swapped by uniforms [n, tiles]: int64 [n, tiles]."""
    n, tiles = u.shape
    swapped = u.argsort(axis=1, kind="stable")[:, : 2 * max(1, tiles // TILES_PER_SWAP)]
    images = np.repeat(kinds[None], n, axis=0)
    np.put_along_axis(images, swapped, kinds[swapped[:, ::-1]], axis=1)
    return images


def _stream(purpose: int, label: int) -> int:
    """A stream of random numbers of its own for each purpose and class, in place of an epoch."""
    return purpose << 40 | label

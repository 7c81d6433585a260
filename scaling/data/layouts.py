"""Images in which only the places tell the class: a data set that needs no download, for studies of positions.

Every image shows the same multiset of plain tiles of 4x4 pixels, a quarter of them in each of four colours. A class is
one random arrangement of them; its images differ by a few swapped tiles, by the tiles' strength and by noise. So who
sees a bag of 4x4 patches has no better than chance. Every image is a function of (seed, class, number) alone.
"""

import numpy as np

from scaling.data.ordering import permute, uniforms

GENERATOR = 1  # part of the fingerprint: raise it with every change that moves a pixel
TILE = 4  # pixels a side
COLOURS = np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1], [0.6, 0.6, 0.6]])  # away from grey
STRENGTH = 60.0  # of a colour, in grey levels; each tile has 0.7 to 1.3 of it
NOISE = 20.0  # grey levels at most, at every pixel
TILES_A_SWAP = 16  # one pair of tiles changes places for so many


def render(seed: int, label: int, numbers: np.ndarray, size: int) -> np.ndarray:
    """Images of one class.

    Args:
        seed: of the whole set.
        label: the class.
        numbers: int64 [n], which images.
        size: pixels a side, a multiple of TILE.

    Returns:
        uint8 [n, size, size, 3].
    """
    grid = size // TILE
    kinds = _swapped(arrangement(seed, label, grid), uniforms(seed, _stream(1, label), numbers, grid * grid))
    strength = 0.7 + 0.6 * uniforms(seed, _stream(2, label), numbers, grid * grid)
    tiles = 128 + STRENGTH * strength[..., None] * COLOURS[kinds]  # [n, tiles, 3]
    pixels = tiles.reshape(-1, grid, grid, 3).repeat(TILE, axis=1).repeat(TILE, axis=2)
    noise = 2 * uniforms(seed, _stream(3, label), numbers, size * size * 3) - 1
    return (pixels + NOISE * noise.reshape(pixels.shape) + 0.5).astype(np.uint8)


def arrangement(seed: int, label: int, grid: int) -> np.ndarray:
    """The class's colours, tile by tile in raster order: int64 [grid * grid]."""
    tiles = grid * grid
    return permute(np.arange(tiles), tiles, (seed, _stream(0, label))) % len(COLOURS)


def _swapped(kinds: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The arrangement [tiles] as each image has it, with pairs swapped by uniforms [n, tiles]: int64 [n, tiles]."""
    n, tiles = u.shape
    some = u.argsort(axis=1, kind="stable")[:, : 2 * max(1, tiles // TILES_A_SWAP)]
    images = np.repeat(kinds[None], n, axis=0)
    np.put_along_axis(images, some, kinds[some[:, ::-1]], axis=1)
    return images


def _stream(what: int, label: int) -> int:
    return what << 40 | label

"""Which part of an image is seen: boxes in pixels, from random numbers."""

import numpy as np
import torch

TRIES = 10  # crops that are drawn before the whole image is taken, as in the official code
LOG_ASPECT = np.log(4 / 3)


def inception_boxes(sizes: np.ndarray, u: np.ndarray, min_area: float) -> np.ndarray:
    """Random parts of images for inception crops: the first of TRIES that fits into the image, or else all of it.

    Args:
        sizes: height and width, int64 [n, 2].
        u: uniforms [n, 4 * TRIES].
        min_area: smallest share of the image's area. The share is uniform, the aspect ratio log-uniform in 3/4 to 4/3.

    Returns:
        top, left, height, width in pixels, int64 [n, 4].
    """
    u = u.reshape(len(u), 4, TRIES)
    height, width = sizes[:, :1], sizes[:, 1:]
    area = height * width * (min_area + (1 - min_area) * u[:, 0])
    aspect = np.exp(LOG_ASPECT * (2 * u[:, 1] - 1))
    h = np.maximum(np.round(np.sqrt(area / aspect)), 1).astype(np.int64)
    w = np.maximum(np.round(np.sqrt(area * aspect)), 1).astype(np.int64)
    # Below 0 for a crop that does not fit, which is not taken.
    top = (u[:, 2] * (height - h + 1)).astype(np.int64)
    left = (u[:, 3] * (width - w + 1)).astype(np.int64)
    fits = (h <= height) & (w <= width)
    first = fits.argmax(axis=1)
    boxes = np.stack([top, left, h, w], axis=2)[np.arange(len(u)), first]
    return np.where(fits.any(axis=1, keepdims=True), boxes, whole_boxes(sizes))


def whole_boxes(sizes: np.ndarray) -> np.ndarray:
    """The boxes of whole images."""
    return np.concatenate([np.zeros_like(sizes), sizes], axis=1)


def random_crops(x: torch.Tensor, u: np.ndarray, resolution: int) -> torch.Tensor:
    """Squares of R pixels on a side of x [n, 3, S, S], at the places (row, column) of the uniforms u [n, 2]."""
    corners = (u * (x.shape[2] - resolution + 1)).astype(np.int64).tolist()
    pieces = [x[i, :, top : top + resolution, left : left + resolution] for i, (top, left) in enumerate(corners)]
    return torch.stack(pieces)

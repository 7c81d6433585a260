"""From images to the model's input: crops, resizing and flips on the CPU in uint8, scaling to [-1, 1] on the device.

Augmentation is a function of (seed, epoch, index), so it does not depend on how samples are grouped into batches or
spread over workers. Pre-training: inception crop, resize, flip, nothing else (§4.1 and the official code, after
Szegedy et al. 2015); evaluation: resize straight to the resolution.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from scaling.data.builtin import cores
from scaling.data.ordering import uniforms
from scaling.data.sources import SMALL, Images, sizes

TRIES = 10  # crops drawn before the whole image is taken, as in the official code
LOG_ASPECT = np.log(4 / 3)
BLOCK = 32  # images decoded and resized at a time, so that a batch of photographs is never in memory at once


def train_images(
    images: Images,
    indices: np.ndarray,
    epochs: np.ndarray,
    *,
    seed: int,
    resolution: int,
    crop: Literal["inception", "random", "none"] = "inception",
    min_crop_area: float = 0.05,
    resize: int | None = None,
    flip: bool = True,
) -> torch.Tensor:
    """Augmented images of a batch.

    Args:
        images: the training split.
        indices: int64 [n], which images.
        epochs: int64 [n], the epoch each of them is seen in.
        seed: the run's seed.
        resolution: R, pixels a side of the result.
        crop: 'inception', a random part of min_crop_area to all of the image's area and of aspect 3/4 to 4/3, resized;
            'random', a random square of R pixels of the image resized to `resize` a side (BiT §3.3); 'none', all of it.
        min_crop_area: smallest share of the image that an inception crop keeps.
        resize: pixels a side that a random crop is cut from, at least R.
        flip: mirror half of the images left to right.

    Returns:
        uint8 [n, 3, R, R]. Raises ValueError for an image that cannot be decoded.
    """

    def block(part: slice) -> torch.Tensor:
        pixels = images.pixels(indices[part])
        u = uniforms(seed, epochs[part], indices[part], 1 + 4 * TRIES)
        if crop == "inception":
            out = _resized_crops(pixels, inception_boxes(sizes(pixels), u[:, 1:], min_crop_area), resolution)
        elif crop == "random":
            assert resize is not None
            out = _random_crops(_resized(pixels, resize), u[:, 1:3], resolution)
        else:
            out = _resized(pixels, resolution)
        mirrored = torch.from_numpy(u[:, 0] < 0.5)
        return torch.where(mirrored[:, None, None, None], out.flip(3), out) if flip else out

    return _in_blocks(block, images, len(indices), resolution, max(resolution, resize or 0))


def eval_images(images: Images, indices: np.ndarray, resolution: int) -> torch.Tensor:
    """Images resized straight to the resolution, aspect not kept: uint8 [n, 3, R, R]."""

    def block(part: slice) -> torch.Tensor:
        return _resized(images.pixels(indices[part]), resolution)

    return _in_blocks(block, images, len(indices), resolution, resolution)


def normalise(x: torch.Tensor) -> torch.Tensor:
    """uint8 [...] to float32 in [-1, 1], on the tensor's own device."""
    return x.float() / 127.5 - 1


def inception_boxes(sizes: np.ndarray, u: np.ndarray, min_area: float) -> np.ndarray:
    """Random parts of images: the first of TRIES that fits inside, else the whole image.

    Args:
        sizes: height and width, int64 [n, 2].
        u: uniforms [n, 4 * TRIES].
        min_area: smallest share of the image's area; the share is uniform, the aspect log-uniform in 3/4 to 4/3.

    Returns:
        top, left, height, width in pixels, int64 [n, 4].
    """
    u = u.reshape(len(u), 4, TRIES)
    height, width = sizes[:, :1], sizes[:, 1:]
    area = height * width * (min_area + (1 - min_area) * u[:, 0])
    aspect = np.exp(LOG_ASPECT * (2 * u[:, 1] - 1))
    h = np.maximum(np.round(np.sqrt(area / aspect)), 1).astype(np.int64)
    w = np.maximum(np.round(np.sqrt(area * aspect)), 1).astype(np.int64)
    top = (u[:, 2] * (height - h + 1)).astype(np.int64)
    left = (u[:, 3] * (width - w + 1)).astype(np.int64)
    fits = (h <= height) & (w <= width)
    first = fits.argmax(axis=1)
    boxes = np.stack([top, left, h, w], axis=2)[np.arange(len(u)), first]
    whole = np.concatenate([np.zeros_like(sizes), sizes], axis=1)
    return np.where(fits.any(axis=1, keepdims=True), boxes, whole)


def _resized_crops(pixels: np.ndarray | list[np.ndarray], boxes: np.ndarray, resolution: int) -> torch.Tensor:
    out = torch.empty((len(pixels), 3, resolution, resolution), dtype=torch.uint8)
    for i, (top, left, h, w) in enumerate(boxes.tolist()):
        out[i] = _resize(torch.from_numpy(pixels[i][None, top : top + h, left : left + w]), resolution)[0]
    return out


def _random_crops(x: torch.Tensor, u: np.ndarray, resolution: int) -> torch.Tensor:
    """Squares of R pixels a side of x [n, 3, S, S] whose places, row and column, are the uniforms u [n, 2]."""
    corners = (u * (x.shape[2] - resolution + 1)).astype(np.int64).tolist()
    pieces = [x[i, :, top : top + resolution, left : left + resolution] for i, (top, left) in enumerate(corners)]
    return torch.stack(pieces)


def _resized(pixels: np.ndarray | list[np.ndarray], resolution: int) -> torch.Tensor:
    if isinstance(pixels, np.ndarray):
        return _resize(torch.from_numpy(pixels), resolution)
    return torch.cat([_resize(torch.from_numpy(image[None]), resolution) for image in pixels])


def _resize(x: torch.Tensor, resolution: int) -> torch.Tensor:
    """uint8 [n, H, W, 3] to [n, 3, R, R], bilinear with antialiasing; the same pixels when they have that size."""
    x = x.permute(0, 3, 1, 2)
    if x.shape[2:] == (resolution, resolution):
        return x
    return interpolate(x, size=(resolution, resolution), mode="bilinear", antialias=True)


def _in_blocks(
    block: Callable[[slice], torch.Tensor], images: Images, n: int, resolution: int, side: int
) -> torch.Tensor:
    """The batch from its blocks, on all cores when its images are large, or are made larger than that: `side`."""
    out = torch.empty((n, 3, resolution, resolution), dtype=torch.uint8)

    def fill(start: int) -> None:
        part = slice(start, min(start + BLOCK, n))
        out[part] = block(part)

    starts = range(0, n, BLOCK)
    dense = images.dense  # decoded here, not in each thread
    if dense is not None and max(dense[0, ..., 0].size, side**2) <= SMALL:
        for start in starts:
            fill(start)
    else:
        list(_pool().map(fill, starts))
    return out


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="images")

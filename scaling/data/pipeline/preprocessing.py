"""Crops, resizing and flips on the CPU, in uint8; the model's input is scaled to [-1, 1] on the device.

Augmentation is a function of (seed, epoch, index), so it does not depend on how samples are grouped into batches or
divided among workers. The paper's pre-training crops (inception crop, Szegedy et al. 2015), resizes and flips, nothing
else (§4.1 and the official code); a recipe may augment further. Evaluation resizes the whole image to the resolution.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache, partial
from typing import Literal, TypeVar

import numpy as np
import torch
from torch.nn.functional import interpolate

from scaling.data.pipeline.augmentation import augment_in_place
from scaling.data.pipeline.crops import TRIES, inception_boxes, random_crops, whole_boxes
from scaling.data.sources import (
    SMALL_PIXELS,
    CorruptImageError,
    Images,
    available_cores,
    decode,
    decode_reduced,
    image_size,
)
from scaling.randomness import Index, below, uniforms, words
from scaling.specs import Augment

T = TypeVar("T")
Boxes = Callable[[np.ndarray], np.ndarray]  # sizes int64 [n, 2] -> top, left, height, width int64 [n, 4]

Batch = tuple[torch.Tensor, torch.Tensor]  # images uint8 [b, 3, R, R], labels int64 [b]: this worker's share
Skipped = dict[str, None]  # messages about corrupt images, each once, in the order in which they were found
BLOCK = 32  # images that a thread or process decodes and resizes at a time


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
    augment: tuple[Augment, ...] = (),
    shown: np.ndarray | None = None,
) -> torch.Tensor:
    """Augmented images of a batch.

    Args:
        images: the training split.
        indices: int64 [n], which images.
        epochs: int64 [n], the epoch in which each is seen.
        seed: the run's seed.
        resolution: R, pixels on a side of the result.
        crop: 'inception', a random part with min_crop_area to all of the image's area and an aspect of 3/4 to 4/3,
            resized; 'random', a random square of R pixels on a side out of the image resized to `resize` (BiT §3.3);
            'none', the whole image, resized.
        min_crop_area: smallest share of the image that an inception crop keeps.
        resize: pixels on a side that the image has before a random crop, at least R.
        flip: mirror half of the images left to right.
        augment: what is done to each image after that, in this order.
        shown: int64 [n], the images that replace them (`replaced`); all that is random stays that of `indices`.

    Returns:
        uint8 [n, 3, R, R]. Raises CorruptImageError for an image that cannot be decoded, ValueError for an
        augmentation that fails.
    """
    shown = indices if shown is None else shown

    def block(part: slice) -> torch.Tensor:
        # The flip's number comes first, so that it is the same with every kind of crop.
        u = uniforms(seed, epochs[part], indices[part], 1 + 4 * TRIES)
        if crop == "inception":
            boxes = partial(inception_boxes, u=u[:, 1:], min_area=min_crop_area)
            out = _resized(images, shown[part], boxes, resolution)
        elif crop == "random":
            assert resize is not None
            out = random_crops(_resized(images, shown[part], whole_boxes, resize), u[:, 1:3], resolution)
        else:
            out = _resized(images, shown[part], whole_boxes, resolution)
        if flip:
            for i in np.flatnonzero(
                u[:, 0] < 0.5
            ).tolist():  # faster than flipping them all at once by indices or a mask
                out[i] = out[i].flip(2)
        if augment:  # seeds are the words after those of the crop and the flip
            seeds = words(seed, epochs[part], indices[part], 1 + 4 * TRIES + len(augment))[:, 1 + 4 * TRIES :]
            augment_in_place(out, augment, seeds)
        return out

    return _in_blocks(block, images, len(indices), resolution, max(resolution, resize or 0))


def eval_images(images: Images, indices: np.ndarray, resolution: int) -> torch.Tensor:
    """Whole images resized to the resolution, aspect ratio not kept: uint8 [n, 3, R, R].

    Raises CorruptImageError for an image that cannot be decoded.
    """

    def block(part: slice) -> torch.Tensor:
        return _resized(images, indices[part], whole_boxes, resolution)

    return _in_blocks(block, images, len(indices), resolution, resolution)


def eval_images_left(
    images: Images, indices: np.ndarray, resolution: int, skipped: Skipped | None
) -> tuple[torch.Tensor, np.ndarray]:
    """`eval_images` of the readable images, and their indices. Others are added to `skipped`; None: they raise."""
    try:
        return eval_images(images, indices, resolution), indices
    except CorruptImageError:
        indices = readable(images, indices, skipped)
        return eval_images(images, indices, resolution), indices


def readable(images: Images, indices: np.ndarray, skipped: Skipped | None) -> np.ndarray:
    """The indices of images that can be decoded. The others are added to `skipped`; None: they raise."""
    decodes = np.ones(len(indices), bool)
    for position, index in enumerate(indices.tolist()):
        try:
            images.decode(index)
        except CorruptImageError as error:
            if skipped is None:
                raise
            skipped[str(error)] = None
            decodes[position] = False
    return indices[decodes]


def replaced(images: Images, indices: np.ndarray, index: Index, skipped: Skipped) -> np.ndarray:
    """The images, each corrupt one replaced by the next that can be decoded, in the cyclic order of `index`.

    Args:
        images: the training split.
        indices: int64 [n], out of `index`.
        index: all images that are trained on.
        skipped: corrupt ones are added here.

    Returns:
        int64 [n]. Raises CorruptImageError when no image can be decoded.
    """
    shown = indices.copy()
    for position, start in enumerate(below(index, indices).tolist()):
        for step in range(len(index)):
            candidate = index[np.array([(start + step) % len(index)])]
            if len(readable(images, candidate, skipped)):
                shown[position] = candidate[0]
                break
        else:
            raise CorruptImageError(f"none of {len(index)} training images can be decoded: {next(iter(skipped))}")
    return shown


@lru_cache(maxsize=8)
def has_small(images: Images) -> bool:
    """Whether the first image has at most SMALL_PIXELS: then threads and processes cost more than they gain."""
    try:
        height, width = image_size(images.encoded[0] or b"")
    except Exception:  # decoders raise anything; decoding this image later says what is wrong
        return False
    return height * width <= SMALL_PIXELS


def is_small(images: Images) -> bool:
    """Whether all images lie decoded in memory: small ones of one size, none of them corrupt."""
    return _dense(images) is not None


@lru_cache(maxsize=8)
def _dense(images: Images) -> np.ndarray | None:
    try:
        return images.dense if has_small(images) else None
    except CorruptImageError:  # decoding it later says what is wrong
        return None


def _resized(images: Images, indices: np.ndarray, boxes: Boxes, side: int) -> torch.Tensor:
    """Parts of images, resized: uint8 [n, 3, side, side]."""
    dense = _dense(images)
    if dense is None:
        parts = _decoded_parts(images, indices, boxes, side)
    else:
        pixels = dense[indices]
        if boxes is whole_boxes:
            return _resize(torch.from_numpy(pixels), side)
        where = boxes(np.broadcast_to(np.array(pixels.shape[1:3]), (len(pixels), 2))).tolist()
        parts = (image[top : top + h, left : left + w] for image, (top, left, h, w) in zip(pixels, where, strict=True))
    out = torch.empty((len(indices), 3, side, side), dtype=torch.uint8)
    for i, part in enumerate(parts):
        out[i] = _resize(torch.from_numpy(part[None]), side)[0]
    return out


def _decoded_parts(images: Images, indices: np.ndarray, boxes: Boxes, side: int) -> Iterator[np.ndarray]:
    """The boxes of the images, each uint8 [h, w, 3], decoded one by one."""
    # Sizes come from the headers first, since the boxes of all images are drawn at once.
    data = [(index, images.encoded[index]) for index in indices.tolist()]
    sizes = np.array([_naming_image(images, index, image_size, encoded) for index, encoded in data], np.int64).reshape(
        -1, 2
    )
    for (index, encoded), whole, box in zip(data, sizes.tolist(), boxes(sizes).tolist(), strict=True):
        yield _naming_image(images, index, _part, encoded, whole, box, side)


def _naming_image(images: Images, index: int, read: Callable[..., T], *arguments: object) -> T:
    """`read(*arguments)`; when that fails, `images.decode` raises the error that names the image."""
    try:
        return read(*arguments)
    except Exception:  # decoders raise anything for broken input
        images.decode(index)
        raise


def _part(data: bytes, whole: list[int], box: list[int], side: int) -> np.ndarray:
    """A part of an encoded image of size `whole`, uint8 [h, w, 3]; reduced where that leaves at least `side` pixels.

    Small images are never reduced, so that they come out the same whether they lie decoded in memory or not.
    """
    top, left, height, width = box
    factor = max(
        (f for f in (2, 4, 8) if min(height, width) >= f * side and whole[0] * whole[1] > SMALL_PIXELS), default=1
    )
    pixels = decode_reduced(data, factor) if factor > 1 else None
    if pixels is None:
        return decode(data)[top : top + height, left : left + width]
    rows, columns = ((round(edge / factor) for edge in edges) for edges in ((top, top + height), (left, left + width)))
    return pixels[slice(*rows), slice(*columns)]


def _resize(x: torch.Tensor, resolution: int) -> torch.Tensor:
    """uint8 [n, H, W, 3] to [n, 3, R, R], bilinear with antialiasing; unchanged when they have that size."""
    x = x.permute(0, 3, 1, 2)
    if x.shape[2:] == (resolution, resolution):
        return x
    # On uint8 as it is: with simplejpeg 890 photographs/s on one core, where Pillow does 540.
    return interpolate(x, size=(resolution, resolution), mode="bilinear", antialias=True)


def _in_blocks(
    block: Callable[[slice], torch.Tensor], images: Images, n: int, resolution: int, side: int
) -> torch.Tensor:
    """A batch from its blocks, on all cores when its images, or their resized form of `side` pixels, are large."""
    out = torch.empty((n, 3, resolution, resolution), dtype=torch.uint8)

    def fill(start: int) -> None:
        part = slice(start, min(start + BLOCK, n))
        out[part] = block(part)

    starts = range(0, n, BLOCK)
    if n <= BLOCK or (
        is_small(images) and side**2 <= SMALL_PIXELS
    ):  # is_small also decodes them all, once and not in each thread
        for start in starts:
            fill(start)
    else:
        list(_pool().map(fill, starts))
    return out


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="images")

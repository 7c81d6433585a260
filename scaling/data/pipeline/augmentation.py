"""Augmentations of a recipe, applied to cropped images: each a function of the image and of a generator.

The generator of an image is made from its own random bits (`scaling.randomness`), for each augmentation another one: so
an image is augmented alike in every batch, process and thread, and one augmentation does not change what another draws.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from scaling.checks import check, named_error
from scaling.data.pipeline.operations import applied, blurred, greyed, hue_turned
from scaling.data.pipeline.policies import INCREASING, ORIGINAL, V0, V0_AMOUNTS, WIDE, Amounts
from scaling.specs import (
    Augment,
    Augmentation,
    AutoAugment,
    ColorJitter,
    RandAugment,
    RandomErasing,
    ThreeAugment,
    TrivialAugment,
    named_function,
)

GREY, BLACK = 128, 0  # what comes from outside the image: in the authors' and timm's code, in TrivialAugment's
MAGNITUDES = 31  # of TrivialAugment
TRIES = 10  # rectangles that are drawn before nothing is erased, as in timm
T = TypeVar("T")
Change = Callable[[Image.Image, np.random.Generator], Image.Image]  # RGB [R, R], which may be changed, to the same


def augment_in_place(x: torch.Tensor, augment: tuple[Augment, ...], seeds: np.ndarray) -> None:
    """Apply all augmentations, in their order, to each image.

    Args:
        x: uint8 [n, 3, R, R].
        augment: what is done to each.
        seeds: uint64 [n, len(augment)], of the generators.

    Raises ValueError, in one line, where a function of the user's fails.
    """
    changes = [_change(each) for each in augment]
    for channels, row in zip(x.numpy(), seeds.tolist(), strict=True):
        # By Pillow, which turns an image with its channels apart into one with its channels together in half the time.
        image = Image.merge("RGB", [Image.fromarray(np.ascontiguousarray(channel)) for channel in channels])
        for change, seed in zip(changes, row, strict=True):
            image = change(image, np.random.default_rng(seed))
        for channel, changed in zip(channels, image.split(), strict=True):
            channel[...] = np.asarray(changed)


def check_augmentation(augment: tuple[Augment, ...], resolution: int) -> None:
    """Raise ValueError unless each of the user's functions makes an image, the same one whenever it is asked to."""
    for each in augment:
        if isinstance(each, Augmentation):
            image = np.random.default_rng(0).integers(0, 256, (resolution, resolution, 3), np.uint8)
            change = _change(each)
            first, second = (change(Image.fromarray(image), np.random.default_rng(1)) for _ in range(2))
            check(
                first == second,
                f"Augmentation {each.path} makes two images of one: take all random numbers from the generator, its "
                "second argument",
            )


def _change(augment: Augment) -> Change:
    """What an augmentation does to an image."""
    match augment:
        case Augmentation():
            return partial(_called, named_function(augment), augment)
        case RandomErasing():
            return partial(_random_erasing, augment)
        case RandAugment():
            return partial(_rand_augment, augment)
        case AutoAugment():
            return _auto_augment
        case TrivialAugment():
            return _trivial_augment
        case ThreeAugment():
            return partial(_three_augment, augment)
        case ColorJitter():
            return partial(_color_jitter, augment)


def _called(
    function: Callable[..., object], augment: Augmentation, image: Image.Image, rng: np.random.Generator
) -> Image.Image:
    pixels = np.array(image)  # a copy, which may be written to
    label, shape = f"Augmentation {augment.path}", pixels.shape
    try:
        changed = function(pixels, rng, **dict(augment.options))
    except Exception as error:  # of any code of the user's
        raise ValueError(f"{label} fails: {named_error(error)}") from error
    if not isinstance(changed, np.ndarray):
        raise ValueError(f"{label} must give a NumPy array, uint8 {list(shape)}, it gives {type(changed).__name__}")
    given = f"{changed.dtype} {list(changed.shape)}"
    check(given == f"uint8 {list(shape)}", f"{label} must give uint8 {list(shape)}, it gives {given}")
    return Image.fromarray(changed)


def _rand_augment(augment: RandAugment, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    amounts, most = (ORIGINAL, 30.0) if augment.operations == "original" else (INCREASING, 10.0)
    for _ in range(augment.layers):
        name = _one_of(tuple(amounts), rng)
        if rng.random() < augment.probability:
            magnitude = augment.magnitude
            if augment.std:
                magnitude = min(max(rng.normal(magnitude, augment.std), 0.0), most)
            image = _operated(image, rng, name, amounts, magnitude, GREY)
    return image


def _auto_augment(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    for name, probability, magnitude in _one_of(V0, rng):
        if rng.random() < probability:
            image = _operated(image, rng, name, V0_AMOUNTS, magnitude, GREY)
    return image


def _trivial_augment(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    name, magnitude = _one_of(tuple(WIDE), rng), int(rng.integers(MAGNITUDES)) / (MAGNITUDES - 1)
    return _operated(image, rng, name, WIDE, magnitude, BLACK)


def _one_of(values: tuple[T, ...], rng: np.random.Generator) -> T:
    return values[rng.integers(len(values))]


def _operated(
    image: Image.Image, rng: np.random.Generator, name: str, amounts: Amounts, magnitude: float, grey: int
) -> Image.Image:
    sign = 1 if rng.random() < 0.5 else -1
    amount = amounts[name](magnitude, sign, image.width)
    return _cut_out(image, rng, int(amount), grey) if name == "cutout" else applied(name, image, amount, grey)


def _cut_out(image: Image.Image, rng: np.random.Generator, half: int, grey: int) -> Image.Image:
    """A grey square of 2 * half pixels a side around any pixel, clipped (DeVries and Taylor 2017)."""
    y, x = rng.integers(0, image.width, 2).tolist()
    image.paste((grey,) * 3, (max(x - half, 0), max(y - half, 0), x + half, y + half))
    return image


def _three_augment(augment: ThreeAugment, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    match int(rng.integers(3)):
        case 0:
            image = greyed(image)
        case 1:
            image = applied("solarize", image, 128, GREY)
        case 2:
            image = blurred(image, rng.uniform(0.1, 2.0))
    x = augment.jitter
    return _color_jitter(ColorJitter(x, x, x), image, rng)


def _color_jitter(augment: ColorJitter, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    if rng.random() >= augment.probability:
        return image
    ranges = {"brightness": augment.brightness, "contrast": augment.contrast, "color": augment.saturation}
    for name in rng.permutation([*ranges, "hue"]).tolist():
        if name == "hue":
            image = hue_turned(image, rng.uniform(-augment.hue, augment.hue)) if augment.hue else image
        elif ranges[name]:
            image = applied(name, image, rng.uniform(max(0.0, 1 - ranges[name]), 1 + ranges[name]), GREY)
    return image


def _random_erasing(augment: RandomErasing, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    if rng.random() >= augment.probability:
        return image
    for _ in range(TRIES):
        area = rng.uniform(augment.min_area, augment.max_area) * height * width
        aspect = augment.min_aspect ** rng.uniform(-1, 1)
        h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if h < height and w < width:
            top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
            if augment.fill == "noise":
                image.paste(Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)), (left, top))
            else:
                image.paste((GREY,) * 3, (left, top, left + w, top + h))
            break
    return image

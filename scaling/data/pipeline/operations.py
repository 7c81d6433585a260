"""The operations of RandAugment, AutoAugment, TrivialAugment and colour jitter, on Pillow's RGB images.

Results are those of Pillow's ImageOps and ImageEnhance, to the bit, some of them in a half to a third of the time: what
changes each value by itself goes through a table of 256 values. Geometric operations take the nearest pixel, as the
authors' code does, and fill what comes from outside with grey.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

VALUES = Image.fromarray(np.arange(256, dtype=np.uint8)[None])  # every value once


def applied(name: str, image: Image.Image, amount: float, grey: int) -> Image.Image:
    """An operation by its name.

    Args:
        name: 'identity', 'autocontrast', 'equalize' and 'invert' have no amount.
        image: RGB, square.
        amount: 'rotate': degrees, against the clock. 'shear_x' and 'shear_y': pixels per pixel. 'translate_x' and
            'translate_y': pixels, to the left or up. 'posterize': bits that are kept, 0 to 8. 'solarize': values from
            here on are inverted. 'solarize_add': is added to values below 128. 'brightness', 'contrast', 'color' and
            'sharpness': share of the image in its mixture with black, its mean grey, its greys, itself blurred; 1 is
            the image.
        grey: value of the pixels that come from outside, 0 to 255.

    Returns:
        RGB of the same size.
    """
    match name:
        case "identity":
            return image
        case "rotate":
            return image.rotate(amount, Image.Resampling.NEAREST, fillcolor=(grey,) * 3)
        case "shear_x":
            return _affine(image, (1, amount, 0, 0, 1, 0), grey)
        case "shear_y":
            return _affine(image, (1, 0, 0, amount, 1, 0), grey)
        case "translate_x":
            return _affine(image, (1, 0, amount, 0, 1, 0), grey)
        case "translate_y":
            return _affine(image, (1, 0, 0, 0, 1, amount), grey)
        case "autocontrast":
            return ImageOps.autocontrast(image)
        case "equalize":
            return ImageOps.equalize(image)
        case "invert":
            return ImageOps.invert(image)
        case "posterize":
            dropped = 8 - int(amount)
            return _mapped(image, [value >> dropped << dropped for value in range(256)])
        case "solarize":
            return _mapped(image, [value if value < amount else 255 - value for value in range(256)])
        case "solarize_add":
            return _mapped(image, [value if value >= 128 else min(value + int(amount), 255) for value in range(256)])
        case "brightness":
            return _blended(image, 0, amount)
        case "contrast":
            return _blended(image, _mean_grey(image), amount)
        case "color":
            return ImageEnhance.Color(image).enhance(amount)
        case "sharpness":
            return Image.blend(_smoothed(image), image, amount)
        case _:
            raise AssertionError(name)


def hue_turned(image: Image.Image, turns: float) -> Image.Image:
    """The image with its hues turned, as torchvision's `adjust_hue`: by whole 256ths, in HSV."""
    hue, saturation, value = image.convert("HSV").split()
    shift = int(turns * 255) % 256
    turned = hue.point([(old + shift) % 256 for old in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def greyed(image: Image.Image) -> Image.Image:
    """The image in greys, RGB."""
    return image.convert("L").convert("RGB")


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """The image after a Gaussian blur: its standard deviation is `radius` pixels."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def _affine(image: Image.Image, matrix: tuple[float, ...], grey: int) -> Image.Image:
    method, nearest = Image.Transform.AFFINE, Image.Resampling.NEAREST
    return image.transform(image.size, method, matrix, nearest, fillcolor=(grey,) * 3)


def _mapped(image: Image.Image, table: Sequence[int]) -> Image.Image:
    return image.point([*table] * 3)


def _blended(image: Image.Image, value: int, amount: float) -> Image.Image:
    """The image mixed with one value: Pillow mixes each value that there is, the table does it to the image."""
    mixed = Image.blend(Image.new("L", VALUES.size, value), VALUES, amount)
    return _mapped(image, list(mixed.tobytes()))


def _smoothed(image: Image.Image) -> Image.Image:
    """Pillow's SMOOTH filter: the weights of a pixel are 5, of its 8 neighbours 1; the outermost pixels stay."""
    pixels = np.array(image)
    rows = pixels.reshape(len(pixels), -1)  # neighbours in a row are 3 values apart
    if min(image.size) > 2:
        values = rows.astype(np.uint16)
        three = values[:-2] + values[1:-1]
        three += values[2:]  # in place: a third of the time
        total = three[:, :-6] + three[:, 3:-3]
        total += three[:, 6:]
        values *= 4
        total += values[1:-1, 3:-3]
        total += 6  # rounds
        total //= 13
        rows[1:-1, 3:-3] = total
    return Image.fromarray(pixels)


def _mean_grey(image: Image.Image) -> int:
    """As ImageEnhance.Contrast has it."""
    counts = np.array(image.convert("L").histogram())
    return int(counts @ np.arange(256) / counts.sum() + 0.5)

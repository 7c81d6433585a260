"""Which operations an augmentation draws from, and how a magnitude becomes the amount of each.

Each amount is a function of the magnitude, a sign that is drawn evenly, and the pixels on a side of the image; what it
means is in `operations.applied`.
"""

from collections.abc import Callable, Mapping

Amounts = Mapping[str, Callable[[float, int, int], float]]  # (magnitude, sign, side) -> amount

# RandAugment's in the authors' code (tensorflow/tpu, efficientnet/autoaugment.py; big_vision, pp/autoaugment.py). Its
# lengths, 100 pixels of translation and 40 of cutout, are read as shares of an image of 224 pixels.
ORIGINAL: Amounts = {
    "autocontrast": lambda m, sign, side: 0,
    "equalize": lambda m, sign, side: 0,
    "invert": lambda m, sign, side: 0,
    "rotate": lambda m, sign, side: sign * m / 10 * 30,
    "posterize": lambda m, sign, side: min(int(m / 10 * 4), 8),
    "solarize": lambda m, sign, side: int(m / 10 * 256),
    "color": lambda m, sign, side: m / 10 * 1.8 + 0.1,
    "contrast": lambda m, sign, side: m / 10 * 1.8 + 0.1,
    "brightness": lambda m, sign, side: m / 10 * 1.8 + 0.1,
    "sharpness": lambda m, sign, side: m / 10 * 1.8 + 0.1,
    "shear_x": lambda m, sign, side: sign * m / 10 * 0.3,
    "shear_y": lambda m, sign, side: sign * m / 10 * 0.3,
    "translate_x": lambda m, sign, side: sign * m / 10 * 100 * side / 224,
    "translate_y": lambda m, sign, side: sign * m / 10 * 100 * side / 224,
    "cutout": lambda m, sign, side: int(m / 10 * 40 * side / 224),
    "solarize_add": lambda m, sign, side: int(m / 10 * 110),
}

# timm's RandAugment with `inc1` (timm/data/auto_augment.py).
INCREASING: Amounts = {
    "autocontrast": ORIGINAL["autocontrast"],
    "equalize": ORIGINAL["equalize"],
    "invert": ORIGINAL["invert"],
    "rotate": ORIGINAL["rotate"],
    "posterize": lambda m, sign, side: 4 - int(m / 10 * 4),
    "solarize": lambda m, sign, side: 256 - int(m / 10 * 256),
    "solarize_add": ORIGINAL["solarize_add"],
    "color": lambda m, sign, side: max(0.1, 1 + sign * m / 10 * 0.9),
    "contrast": lambda m, sign, side: max(0.1, 1 + sign * m / 10 * 0.9),
    "brightness": lambda m, sign, side: max(0.1, 1 + sign * m / 10 * 0.9),
    "sharpness": lambda m, sign, side: max(0.1, 1 + sign * m / 10 * 0.9),
    "shear_x": ORIGINAL["shear_x"],
    "shear_y": ORIGINAL["shear_y"],
    "translate_x": lambda m, sign, side: sign * m / 10 * 0.45 * side,
    "translate_y": lambda m, sign, side: sign * m / 10 * 0.45 * side,
}

# TrivialAugment wide: Müller and Hutter 2021, table 1, as in torchvision. The magnitude is in [0, 1].
WIDE: Amounts = {
    "identity": lambda m, sign, side: 0,
    "shear_x": lambda m, sign, side: sign * m * 0.99,
    "shear_y": lambda m, sign, side: sign * m * 0.99,
    "translate_x": lambda m, sign, side: sign * int(m * 32),
    "translate_y": lambda m, sign, side: sign * int(m * 32),
    "rotate": lambda m, sign, side: sign * m * 135,
    "brightness": lambda m, sign, side: 1 + sign * m * 0.99,
    "color": lambda m, sign, side: 1 + sign * m * 0.99,
    "contrast": lambda m, sign, side: 1 + sign * m * 0.99,
    "sharpness": lambda m, sign, side: 1 + sign * m * 0.99,
    "posterize": lambda m, sign, side: 8 - round(m * 6),
    "solarize": lambda m, sign, side: 255 * (1 - m),
    "autocontrast": lambda m, sign, side: 0,
    "equalize": lambda m, sign, side: 0,
}

# AutoAugment's ImageNet policy 'v0', in the same files: pairs of (operation, probability, magnitude).
V0_AMOUNTS: Amounts = {**ORIGINAL, "translate_y": INCREASING["translate_y"]}
V0: tuple[tuple[tuple[str, float, int], tuple[str, float, int]], ...] = (
    (("equalize", 0.8, 1), ("shear_y", 0.8, 4)),
    (("color", 0.4, 9), ("equalize", 0.6, 3)),
    (("color", 0.4, 1), ("rotate", 0.6, 8)),
    (("solarize", 0.8, 3), ("equalize", 0.4, 7)),
    (("solarize", 0.4, 2), ("solarize", 0.6, 2)),
    (("color", 0.2, 0), ("equalize", 0.8, 8)),
    (("equalize", 0.4, 8), ("solarize_add", 0.8, 3)),
    (("shear_x", 0.2, 9), ("rotate", 0.6, 8)),
    (("color", 0.6, 1), ("equalize", 1.0, 2)),
    (("invert", 0.4, 9), ("rotate", 0.6, 0)),
    (("equalize", 1.0, 9), ("shear_y", 0.6, 3)),
    (("color", 0.4, 7), ("equalize", 0.6, 0)),
    (("posterize", 0.4, 6), ("autocontrast", 0.4, 7)),
    (("solarize", 0.6, 8), ("color", 0.6, 9)),
    (("solarize", 0.2, 4), ("rotate", 0.8, 9)),
    (("rotate", 1.0, 7), ("translate_y", 0.8, 9)),
    (("shear_x", 0.0, 0), ("solarize", 0.8, 4)),
    (("shear_y", 0.8, 0), ("color", 0.6, 4)),
    (("color", 1.0, 0), ("rotate", 0.6, 2)),
    (("equalize", 0.8, 4), ("equalize", 0.0, 8)),
    (("equalize", 1.0, 4), ("autocontrast", 0.6, 2)),
    (("shear_y", 0.4, 7), ("solarize_add", 0.6, 7)),
    (("posterize", 0.8, 2), ("solarize", 0.6, 10)),  # leaves a black image, there as here
    (("solarize", 0.6, 8), ("equalize", 0.6, 1)),
    (("color", 0.8, 6), ("rotate", 0.4, 5)),
)

"""Augmentations of the cropped image, as frozen values: what is drawn, how often and how strongly.

A recipe applies them in their order, after crop and flip. What each operation does, and in which range, is in
`scaling.data.pipeline`.
"""

from dataclasses import dataclass
from typing import Literal

from scaling.checks import check, check_numbers, check_types


@dataclass(frozen=True)
class RandAugment:
    """`layers` operations, each drawn from a set, all at one magnitude (Cubuk et al. 2020, §3).

    - 'original': the authors' 16 operations at their magnitudes, as in big_vision (`pp/autoaugment.py`); pixels are
      those of 224 a side. 10 is usual, up to 30; colour, solarize and posterize are weak at 5, not at 0.
    - 'increasing': timm's 15 of `inc1`, up to 10. `RandAugment(2, 9, "increasing", std=0.5, probability=0.5)` is
      `rand-m9-mstd0.5-inc1`, DeiT's.
    """

    layers: int = 2  # operations per image
    magnitude: float = 10.0  # of each
    operations: Literal["original", "increasing"] = "original"  # the set, and how a magnitude is read
    std: float = 0.0  # standard deviation of the magnitude, which is drawn for each operation
    probability: float = 1.0  # of each operation that was drawn
    kind: Literal["randaugment"] = "randaugment"  # its name in JSON

    def __post_init__(self) -> None:
        check_types(self)
        most = 10 if self.operations == "increasing" else 30
        check(0 <= self.layers <= 100, f"layers of RandAugment must be 0 to 100, got {self.layers}")
        check(
            0 <= self.magnitude <= most,
            f"magnitude of RandAugment must be 0 to {most} with {self.operations!r} operations, got {self.magnitude}",
        )
        check(0 <= self.std <= 30, f"std of RandAugment must be 0 to 30, got {self.std}")
        _check_share(self, "probability")
        check_numbers(self)


@dataclass(frozen=True)
class AutoAugment:
    """One of the 25 pairs of operations of the ImageNet policy 'v0' (Cubuk et al. 2019; timm's and TensorFlow's 'v0').

    Translations are timm's, up to 45 % of the image, where the TensorFlow code has 250 pixels.
    """

    kind: Literal["autoaugment"] = "autoaugment"  # its name in JSON

    def __post_init__(self) -> None:
        check_types(self)


@dataclass(frozen=True)
class TrivialAugment:
    """One of 14 operations at one of 31 magnitudes, both uniform: TrivialAugment wide (Müller and Hutter 2021), with
    the magnitudes of torchvision's `TrivialAugmentWide`."""

    kind: Literal["trivialaugment"] = "trivialaugment"  # its name in JSON

    def __post_init__(self) -> None:
        check_types(self)


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue, in random order, as torchvision's `ColorJitter`.

    The first three are multiplied by a number in [1 - x, 1 + x], at least 0; the hue is turned by up to so many turns.
    """

    brightness: float = 0.0  # x of the brightness
    contrast: float = 0.0  # x of the contrast
    saturation: float = 0.0  # x of the saturation
    hue: float = 0.0  # turns of the hue to either side, up to 0.5
    probability: float = 1.0  # of any change
    kind: Literal["colorjitter"] = "colorjitter"  # its name in JSON

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            check(0 <= value <= 10, f"{name} of ColorJitter must be 0 to 10, got {value}")
        check(0 <= self.hue <= 0.5, f"hue of ColorJitter must be 0 to 0.5, got {self.hue}")
        _check_share(self, "probability")
        check_numbers(self)


@dataclass(frozen=True)
class ThreeAugment:
    """Grey, solarized or blurred, each for a third of the images, then colour jitter (DeiT III, Touvron et al. 2022,
    §3; their `augment.py`)."""

    jitter: float = 0.3  # x of brightness, contrast and saturation, see ColorJitter
    kind: Literal["threeaugment"] = "threeaugment"  # its name in JSON

    def __post_init__(self) -> None:
        check_types(self)
        check(0 <= self.jitter <= 10, f"jitter of ThreeAugment must be 0 to 10, got {self.jitter}")
        check_numbers(self)


@dataclass(frozen=True)
class RandomErasing:
    """A rectangle of the image is replaced (Zhong et al. 2020, algorithm 1). Defaults: timm's in DeiT.

    As in timm the aspect is log-uniform from `min_aspect` to its inverse. 'noise' is uniform in 0 to 255 for each pixel
    and channel, as in the paper; 'grey' is 128, which the model sees as 0.
    """

    probability: float = 0.25  # of any change
    min_area: float = 0.02  # smallest share of the image
    max_area: float = 1 / 3  # largest share of the image
    min_aspect: float = 0.3  # smallest ratio of height and width
    fill: Literal["noise", "grey"] = "noise"  # what is put there
    kind: Literal["randomerasing"] = "randomerasing"  # its name in JSON

    def __post_init__(self) -> None:
        check_types(self)
        _check_share(self, "probability")
        check(
            0 < self.min_area <= self.max_area <= 1,
            f"areas of RandomErasing must be in (0, 1] and rise, got {self.min_area} to {self.max_area}",
        )
        check(0.01 <= self.min_aspect <= 1, f"min_aspect of RandomErasing must be 0.01 to 1, got {self.min_aspect}")
        check_numbers(self)


def _check_share(spec: RandAugment | ColorJitter | RandomErasing, name: str) -> None:
    value = getattr(spec, name)
    check(0 <= value <= 1, f"{name} of {type(spec).__name__} must be in [0, 1], got {value}")

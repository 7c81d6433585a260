"""The built-in data sets as values: the parameters that decide their images."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from scaling.checks import check, check_types

SPLITS = ("train", "test")
MOST_DRAWN = 10**8  # images of a generated set


@dataclass(frozen=True)
class Ifs:
    """Images of random iterated function systems (`scaling.data.sources.ifs`)."""

    classes: int = 100
    images: int = 200  # per class in the training split
    size: int = 32  # pixels on a side
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        _check_drawn("ifs", self)
        check(8 <= self.size <= 1024, f"size of ifs: must be 8 to 1024 pixels, got {self.size}")

    def __str__(self) -> str:
        return "ifs:" + _parameters(self)

    @property
    def per_class(self) -> int:
        """Images per class in this split: the test split has a tenth of the training split's, at least one."""
        return self.images if self.split == "train" else max(1, self.images // 10)


@dataclass(frozen=True)
class Layouts:
    """Images whose classes differ in the places of their tiles (`scaling.data.sources.layouts`); fields of `Ifs`."""

    classes: int = 8
    images: int = 300
    size: int = 16
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        _check_drawn("layouts", self)
        check(self.classes <= 36, f"classes of layouts: must be at most 36, got {self.classes}")
        whole = 16 <= self.size <= 256 and self.size % 16 == 0
        check(whole, f"size of layouts: must be a multiple of 16 pixels, at most 256, got {self.size}")

    def __str__(self) -> str:
        return "layouts:" + _parameters(self)

    @property
    def per_class(self) -> int:
        """Images per class in this split, as for `Ifs`."""
        return self.images if self.split == "train" else max(1, self.images // 10)


@dataclass(frozen=True)
class Digits:
    """scikit-learn's 1,797 handwritten digits, 8x8 grey: the first 1,000 to train on, the other 797 to test on."""

    split: str

    def __post_init__(self) -> None:
        check(self.split in SPLITS, f"split of digits: must be train or test, got {self.split!r}")

    def __str__(self) -> str:
        return f"digits:{self.split}"


def fashion_file(split: str) -> str:
    """Path of the committed subset of Fashion-MNIST, 28x28 grey: 1,000 images to train on, 2,000 to test on."""
    check(split in SPLITS, f"split of fashion: must be train or test, got {split!r}")
    return str(Path(__file__).parent / "fashion_mnist" / f"{split}.parquet")


Drawn = Ifs | Layouts


def drawn_fields(uri: str, rest: str) -> dict[str, int | str]:
    """Field values from the URI of a generated set, `ifs:` or `layouts:`, which have the same fields."""
    known = [field.name for field in fields(Ifs)]
    values: dict[str, int | str] = {}
    for item in filter(None, rest.split(",")):
        name, _, value = item.partition("=")
        check(name in known, f"{uri!r} has the option {name!r}, which is none of {', '.join(known)}")
        check(name == "split" or value.isdecimal(), f"{name} of {uri!r} must be a whole number, got {value!r}")
        values[name] = value if name == "split" else int(value)
    return values


def _parameters(source: "Drawn") -> str:
    return ",".join(f"{name}={value}" for name, value in asdict(source).items())


def _check_drawn(scheme: str, source: "Drawn") -> None:
    check_types(source)
    for name in ("classes", "images"):
        check(getattr(source, name) > 0, f"{name} of {scheme}: must be positive, got {getattr(source, name)}")
    count = source.classes * source.images
    check(count <= MOST_DRAWN, f"classes and images of {scheme}: {count:,} images are more than {MOST_DRAWN:,}")
    check(source.seed >= 0, f"seed of {scheme}: must not be negative, got {source.seed}")
    check(source.split in SPLITS, f"split of {scheme}: must be train or test, got {source.split!r}")

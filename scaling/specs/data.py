"""Data sets and few-shot evaluation on them, as frozen values."""

from dataclasses import dataclass, field
from typing import Literal

from scaling.checks import as_tuples, check, check_name, check_numbers, check_types
from scaling.specs.identity import OUTSIDE


@dataclass(frozen=True)
class Dataset:
    """Labelled images. Counts and fingerprint that are None are read from the data (`scaling.data.resolve`).

    `train` and `test` are URIs (`parquet:PATH`, `imagefolder:DIR`, `ifs:...`; all forms are in `scaling.data.uris`), or
    None for a set that a study can be planned with but not run on. `dev` is the URI of an official validation split,
    whose images are among those of `train`; without one a share of `train` is held out at random. Where the files lie
    is outside the identity: `fingerprint` says what is in them. `corrupt` decides about an image that cannot be
    decoded: 'fail' ends the run; 'skip' counts it, trains on the next image in its place, and evaluates without it.
    A larger share than `max_copies` of test images that are training images, byte by byte, is refused.
    """

    name: str  # name in tables and figures; part of the identity
    train: str | None = field(metadata=OUTSIDE, default=None)  # URI of the training split
    test: str | None = field(metadata=OUTSIDE, default=None)  # URI of the test split
    dev: str | None = field(metadata=OUTSIDE, default=None, kw_only=True)  # URI of an official dev split
    num_classes: int | None = None  # number of classes; labels are 0 to num_classes - 1
    num_train: int | None = None  # number of training images
    num_test: int | None = None  # number of test images
    fingerprint: str | None = None  # hash of the content, the same in every form of storage
    corrupt: Literal["fail", "skip"] = "fail"  # an image that cannot be decoded ends the run, or is skipped and counted
    max_copies: float = field(metadata=OUTSIDE, default=0.01)  # share of test images with the bytes of a training image

    def __post_init__(self) -> None:
        check_types(self)
        check_name("data set name", self.name)
        for name in ("num_classes", "num_train", "num_test"):
            value = getattr(self, name)
            check(value is None or value >= 0, f"{name} of data set {self.name} must not be negative, got {value}")
        check_numbers(self)
        share = self.max_copies
        check(0 <= share <= 1, f"max_copies of data set {self.name} must be in [0, 1], got {share}")


@dataclass(frozen=True)
class FewShot:
    """Linear few-shot evaluation: ridge regression from frozen features to {-1, 1} targets of the classes (§4.1).

    The paper gives neither the strength of the regularization nor the number of seeds: these are those of the authors'
    later open code (big_vision's fewshot_lsr).
    """

    data: Dataset  # its training split is drawn from, accuracy is that of its test split
    shots: tuple[int, ...] = (1, 5, 10, 25)  # training images per class; one evaluation for each number
    seeds: tuple[int, ...] = (0, 1, 2)  # seeds of the draw of training images; one evaluation for each
    l2: float = 2.0**10  # L2 regularization of the ridge regression
    resolution: int = 224  # pixels on a side

    def __post_init__(self) -> None:
        as_tuples(self, "shots", "seeds")
        check_types(self)
        check(len(self.shots) > 0 and min(self.shots) > 0, f"shots must be positive, got {self.shots}")
        check(len(self.seeds) > 0, "few-shot evaluation needs at least one seed")
        check(self.l2 > 0, f"l2 must be positive, got {self.l2}")
        check(self.resolution > 0, f"resolution of few-shot evaluation must be positive, got {self.resolution}")
        for name in ("shots", "seeds"):
            values = getattr(self, name)
            check(len(set(values)) == len(values), f"{name} of few-shot evaluation must differ, got {values}")
        check_numbers(self)

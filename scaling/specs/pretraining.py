"""What is transferred from, as frozen values: data sets, pre-training runs, controls, and weights from elsewhere."""

from dataclasses import dataclass, field
from typing import Literal

from scaling.checks import check, check_name, check_types
from scaling.specs.architectures import Architecture, ViT, token_stride
from scaling.specs.identity import OUTSIDE, Identified
from scaling.specs.recipe import PRETRAIN, MaskedPatches, Recipe


@dataclass(frozen=True)
class Dataset:
    """Labelled images by URI. Counts and fingerprint are read from the data when they are None (`datasets.resolve`).

    `train` and `test` are URIs of `scaling.data` (`parquet:PATH`, `ifs:...`, `digits:train`, ...), or None for a set
    that can be planned with but not read. `dev` is that of an official validation split, whose images are among those
    of `train`; without one a share is held out at random. Where files lie is outside the identity; `fingerprint` says
    what is in them. `corrupt` says what happens with an image that cannot be decoded: the run fails, or it is counted
    and skipped, which means that the next one is trained on in its place, and that evaluation leaves it out.
    """

    name: str
    train: str | None = field(metadata=OUTSIDE, default=None)
    test: str | None = field(metadata=OUTSIDE, default=None)
    dev: str | None = field(metadata=OUTSIDE, default=None, kw_only=True)
    num_classes: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    fingerprint: str | None = None
    corrupt: Literal["fail", "skip"] = "fail"

    def __post_init__(self) -> None:
        check_types(self)
        check_name("data set name", self.name)
        for name in ("num_classes", "num_train", "num_test"):
            value = getattr(self, name)
            check(value is None or value >= 0, f"{name} of data set {self.name} must not be negative, got {value}")


@dataclass(frozen=True)
class FewShot:
    """Linear few-shot evaluation of frozen features by ridge regression (§4.1, facts of the later open code)."""

    data: Dataset
    shots: tuple[int, ...] = (1, 5, 10, 25)
    seeds: tuple[int, ...] = (0, 1, 2)
    l2: float = 2.0**10
    resolution: int = 224

    def __post_init__(self) -> None:
        object.__setattr__(self, "shots", tuple(self.shots))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        check_types(self)
        check(len(self.shots) > 0 and min(self.shots) > 0, f"shots must be positive, got {self.shots}")
        check(len(self.seeds) > 0, "few-shot evaluation needs at least one seed")
        check(self.l2 > 0, f"l2 must be positive, got {self.l2}")


@dataclass(frozen=True)
class Pretrain(Identified):
    """One model trained on one upstream data set (§4.1, Table 3). `base_lr` is absolute, for `recipe.batch_size`.

    `subset` takes that many of the training images, or that share of them when it is below 1: the first of one shuffled
    order, so that smaller subsets lie in larger ones (§4.3). A study's shares become counts when its data are read.
    `early_stopping` ends the training when so many evaluations in a row were no better, and keeps the weights of the
    best one (§4.3). `shuffle` 'full' permutes all images in every epoch, 'shards' those of `shuffle_window` files or
    shards at a time, which suits data that are read from a disk or over a network.
    """

    name: str = field(metadata=OUTSIDE)  # the model's name in figures and tables, e.g. 'ViT-B/16'
    model: Architecture
    data: Dataset
    base_lr: float
    epochs: float
    recipe: Recipe = PRETRAIN
    resolution: int = 224
    seed: int = 0
    dev_fraction: float = 0.0  # share of the training images held out to watch the accuracy on
    subset: int | float | None = None
    evaluations: int = 5  # on the held-out images, evenly spread
    early_stopping: int | None = None
    masked: MaskedPatches | None = None  # predict these in place of the labels
    shuffle: Literal["full", "shards"] = "full"
    shuffle_window: int = 16
    fewshot: FewShot | None = field(metadata=OUTSIDE, default=None)  # watched at the evaluations; changes no weight

    def __post_init__(self) -> None:
        check_types(self)
        check(bool(self.name) and self.name.isprintable(), f"run name {self.name!r} must be printable")
        check(self.base_lr > 0, f"base_lr of {self.name} must be positive, got {self.base_lr}")
        check(self.epochs > 0, f"epochs of {self.name} must be positive, got {self.epochs}")
        check(0 <= self.dev_fraction < 1, f"dev_fraction of {self.name} must be in [0, 1), got {self.dev_fraction}")
        check(self.resolution > 0, f"resolution of {self.name} must be positive, got {self.resolution}")
        check(self.shuffle_window > 0, f"shuffle_window of {self.name} must be positive, got {self.shuffle_window}")
        subset = self.subset
        check(
            subset is None or (subset > 0 if isinstance(subset, int) else 0 < subset < 1),
            f"subset of {self.name} must be a positive number of images or a share in (0, 1), got {subset}",
        )
        check(self.evaluations > 0, f"evaluations of {self.name} must be positive, got {self.evaluations}")
        patience = self.early_stopping
        check(
            patience is None or (patience > 0 and self.dev_fraction > 0),
            f"early_stopping of {self.name} must be positive and needs a dev_fraction, got {patience}",
        )
        stride = token_stride(self.model)
        check(
            stride is None or self.resolution % stride == 0,
            f"patch size {stride} of {self.name} does not divide the image: resolution {self.resolution} "
            f"(take {max(self.resolution // (stride or 1), 1) * (stride or 1)})",
        )
        if self.masked:
            self._check_masked()
        check(
            self.fewshot is None or (len(self.fewshot.shots) == 1 and self.fewshot.resolution == self.resolution),
            f"fewshot of {self.name} is one curve: give it one number of shots, and the run's resolution "
            f"{self.resolution}",
        )

    def _check_masked(self) -> None:
        model, what = self.model, f"masked patch prediction of {self.name}"
        check(isinstance(model, ViT), f"{what} needs a ViT")
        assert isinstance(model, ViT)
        check(model.representation_size is None, f"{what} has no hidden layer: take without_representation(model)")
        check(self.resolution > model.patch_size, f"{what} needs more than one patch, resolution {self.resolution}")
        check(self.recipe.mixup == 0, f"{what} has no labels to mix, got mixup {self.recipe.mixup}")
        check(
            self.predicts_classes or self.early_stopping is None,
            f"early_stopping needs an accuracy, and {what} with target 'pixels' has none",
        )

    @property
    def predicts_classes(self) -> bool:
        """Whether the objective has an accuracy: that of the labels, or of the corrupted patches' colours."""
        return self.masked is None or self.masked.target != "pixels"

    @property
    def num_images(self) -> int:
        """Training images of an epoch: the subset, or all that are not held out."""
        count = self.data.num_train
        check(count is not None, f"the number of images of data set {self.data.name} is not known")
        assert count is not None
        return self.subset_of(count - round(self.dev_fraction * count))

    def subset_of(self, count: int) -> int:
        """Images of the subset, of `count` training images. Raises ValueError when it is larger."""
        subset = max(1, round(self.subset * count)) if isinstance(self.subset, float) else self.subset or count
        check(
            subset <= count,
            f"subset {subset} of {self.name} is more than the {count} training images of {self.data.name}",
        )
        return subset

    @property
    def steps(self) -> int:
        return max(1, round(self.epochs * self.num_images / self.recipe.batch_size))


@dataclass(frozen=True)
class Scratch(Identified):
    """No pre-training: the upstream of a control that starts from the initial weights of `seed`."""

    name: str = field(metadata=OUTSIDE)
    model: Architecture
    seed: int = 0


@dataclass(frozen=True)
class Released(Identified):
    """Weights that were trained elsewhere: a `.npz` or `.safetensors` file of `scaling.checkpoints.formats`.

    Known by the model and the file's hash, which a study reads from the file when it is None.
    """

    name: str = field(metadata=OUTSIDE)
    model: Architecture
    source: str = field(metadata=OUTSIDE)  # path or URI
    sha256: str | None = None

    @property
    def seed(self) -> int:
        """Of what a fine-tuning draws besides its own: nothing was drawn here."""
        return 0


Upstream = Pretrain | Scratch | Released

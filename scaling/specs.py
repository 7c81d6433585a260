"""Specs: what an experiment is, as frozen values.

A spec says everything that decides a result and nothing else. Its id is a hash of those fields, so equal experiments
have equal ids on every machine; where the data lie, how a run is called and how wide a search is are left out of it
(fields marked OUTSIDE).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from scaling.architectures import (
    Architecture,
    Hybrid,
    ResNet,
    ViT,
    family,
    token_stride,
    whole_patches,
    without_representation,
)
from scaling.identity import OUTSIDE, Identified, check, check_choices, check_name, from_json, identity, to_json
from scaling.recipe import FINETUNE, PRETRAIN, MaskedPatches, Recipe
from scaling.search import Choice, Halving, Range, Search, Setting

__all__ = [
    "FINETUNE",
    "Architecture",
    "Choice",
    "Dataset",
    "FewShot",
    "Halving",
    "Hybrid",
    "MaskedPatches",
    "Precision",
    "Pretrain",
    "Probe",
    "Range",
    "Recipe",
    "ResNet",
    "Scratch",
    "Search",
    "Setting",
    "Study",
    "Task",
    "Transfer",
    "Upstream",
    "ViT",
    "family",
    "from_json",
    "identity",
    "to_json",
    "token_stride",
    "whole_patches",
    "without_representation",
]

Precision = Literal["fp32", "bf16"]  # hardware, so in no spec: of a step's arithmetic; weights are fp32

# --- data --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dataset:
    """Labelled images by URI. Counts and fingerprint are read from the data when they are None (`datasets.resolve`).

    `train` and `test` are URIs of `scaling.data` (`parquet:PATH`, `ifs:...`, `digits:train`, ...), or None for a set
    that can be planned with but not read. Where files lie is outside the identity; `fingerprint` says what is in them.
    `corrupt` says what happens with an image that cannot be decoded: the run fails, or it is counted and skipped, which
    means that the next one is trained on in its place, and that evaluation leaves it out.
    """

    name: str
    train: str | None = field(metadata=OUTSIDE, default=None)
    test: str | None = field(metadata=OUTSIDE, default=None)
    num_classes: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    fingerprint: str | None = None
    corrupt: Literal["fail", "skip"] = "fail"

    def __post_init__(self) -> None:
        check_choices(self)
        check_name("data set name", self.name)
        for name in ("num_classes", "num_train", "num_test"):
            value = getattr(self, name)
            check(value is None or value >= 0, f"{name} of data set {self.name} must not be negative, got {value}")


# --- training ----------------------------------------------------------------------------------------------------


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

    def __post_init__(self) -> None:
        check_choices(self)
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


Upstream = Pretrain | Scratch


@dataclass(frozen=True)
class Task(Identified):
    """A downstream data set and the protocol on it (§4.1, Table 4): choose on a dev split, then train on everything.

    What is tried are the rates of the grid (`base_lrs`; ResNets and hybrids get `convolutional_base_lrs` as well, and
    ResNets `resnet_settings`), and what `search` proposes, all at `resolution`; with one setting there is nothing to
    choose and no dev trial. The final runs may have another resolution and average their weights: `final_resolution`
    and `final_polyak` (Table 2's ImageNet). Resolutions are lowered to whole patches (/14: 378).
    """

    name: str
    data: Dataset
    base_lrs: tuple[float, ...] = field(metadata=OUTSIDE)
    steps: int
    recipe: Recipe = FINETUNE
    dev_fraction: float = 0.1
    resolution: int = 384
    convolutional_base_lrs: tuple[float, ...] = field(metadata=OUTSIDE, default=())
    resnet_settings: tuple[Setting, ...] = field(metadata=OUTSIDE, default=())
    search: Search | None = field(metadata=OUTSIDE, default=None)
    halving: Halving | None = field(metadata=OUTSIDE, default=None)
    final_resolution: int | None = None
    final_polyak: float | None = None

    def __post_init__(self) -> None:
        for name in ("base_lrs", "convolutional_base_lrs", "resnet_settings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_name("task name", self.name)
        rates = (*self.base_lrs, *self.convolutional_base_lrs)
        check(len(self.base_lrs) > 0 or self.search is not None, f"task {self.name} has neither base_lrs nor a search")
        check(all(rate > 0 for rate in rates), f"base_lrs of task {self.name} must be positive, got {rates}")
        check(len(set(rates)) == len(rates), f"base_lrs of task {self.name} repeat: {rates}")
        check(self.steps > 0, f"steps of task {self.name} must be positive, got {self.steps}")
        check(0 < self.dev_fraction < 1, f"dev_fraction of task {self.name} must be in (0, 1), got {self.dev_fraction}")
        for size in (self.resolution, self.final_resolution):
            check(size is None or size > 0, f"resolution of task {self.name} must be positive, got {size}")
        if self.search is not None:
            self._check_search(self.search)
        steps = {self.steps, *(setting.steps for setting in self.resnet_settings)}
        check(self.halving is None or len(steps) == 1, f"halving of task {self.name} needs settings of equal steps")

    def _check_search(self, search: Search) -> None:
        what = f"search of task {self.name}"
        check(len(self.base_lrs) > 0 or "base_lr" in search.names, f"{what} needs base_lr in its space, or base_lrs")
        if self.halving is not None:
            check("steps" not in search.names, f"{what}: halving does not go with a search of steps")
            check(not search.learns, f"{what}: halving goes with sampler 'grid' or 'random', not {search.sampler!r}")
            check(search.objectives == ("dev_top1",), f"{what}: halving goes with one objective")

    @property
    def own(self) -> Setting:
        """The task's setting, at the first rate of its grid or any."""
        return Setting((*self.base_lrs, 1.0)[0], self.steps, self.resolution, self.recipe)


@dataclass(frozen=True)
class Transfer(Identified):
    """One fine-tuning: a `dev` trial on the training set less its dev split, or a `final` run on all of it."""

    upstream: Upstream
    task: Task
    setting: Setting
    seed: int
    phase: Literal["dev", "final"]

    def __post_init__(self) -> None:
        check_choices(self)
        stride, resolution = token_stride(self.upstream.model) or 1, self._resolution
        check(
            resolution >= stride,
            f"resolution {resolution} of task {self.task.name} is below one patch of {self.upstream.name}, "
            f"{stride} pixels",
        )

    @property
    def resolution(self) -> int:
        """Pixels a side, in whole patches."""
        return whole_patches(self.upstream.model, self._resolution)

    @property
    def _resolution(self) -> int:
        return (self.phase == "final" and self.task.final_resolution) or self.setting.resolution

    @property
    def base_lr(self) -> float:
        return self.setting.base_lr

    @property
    def steps(self) -> int:
        return self.setting.steps

    @property
    def recipe(self) -> Recipe:
        if self.phase == "final" and self.task.final_polyak is not None:
            return replace(self.setting.recipe, polyak=self.task.final_polyak)
        return self.setting.recipe


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
        check(len(self.shots) > 0 and min(self.shots) > 0, f"shots must be positive, got {self.shots}")
        check(len(self.seeds) > 0, "few-shot evaluation needs at least one seed")
        check(self.l2 > 0, f"l2 must be positive, got {self.l2}")


@dataclass(frozen=True)
class Probe(Identified):
    """One few-shot evaluation of one upstream."""

    upstream: Upstream
    fewshot: FewShot


@dataclass(frozen=True)
class Study:
    """One experiment: runs to pre-train, tasks to transfer each of them to, and controls that start from scratch."""

    name: str
    runs: tuple[Pretrain, ...]
    tasks: tuple[Task, ...] = ()
    fewshot: tuple[FewShot, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)  # of the final fine-tuning runs (Table 2: three)
    hardware: str = "tpu-v3"  # chip of `clusters.hardware` that a plan assumes unless told

    def __post_init__(self) -> None:
        for name in ("runs", "tasks", "fewshot", "scratch", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_name("study name", self.name)
        check(len(self.runs) > 0, f"study {self.name} has no runs")
        check(len(self.seeds) > 0 or not self.tasks, f"study {self.name} has tasks but no seeds")
        for what, names in (("task", [t.name for t in self.tasks]), ("seed", self.seeds)):
            check(len(set(names)) == len(names), f"study {self.name} has the same {what} twice: {list(names)}")
        twice = [run.name for i, run in enumerate(self.runs) if run in self.runs[:i]]
        check(not twice, f"study {self.name} has the same run twice: {twice}")

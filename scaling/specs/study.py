"""A study and its units of work, as frozen values: tasks, fine-tunings, few-shot probes, evaluations."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from scaling.checks import MOST, as_tuples, check, check_name, check_numbers, check_types
from scaling.specs.data import Dataset, FewShot
from scaling.specs.evaluations import AnyEvaluation, Calibration, Robustness, data_of
from scaling.specs.identity import OUTSIDE, Identified
from scaling.specs.models import token_stride, whole_patches
from scaling.specs.pretraining import Pretrain, Released, Scratch, Upstream
from scaling.specs.recipe import FINETUNE, Recipe
from scaling.specs.search import Choice, Halving, Search, Setting, with_parameters

# fields of a recipe that are right or wrong together
TOGETHER = ("schedule", "decay_at", "timescale", "decay_share", "decay_shape", "crop", "resize")


@dataclass(frozen=True)
class Task(Identified):
    """A downstream data set and how to fine-tune on it (§4.1, Table 4): choose a setting on a dev split, then train
    with it on all training images.

    Dev trials try the grid of learning rates (`base_lrs`; ResNets and hybrids `convolutional_base_lrs` as well, ResNets
    also `resnet_settings`) and what `search` proposes. Where there is only one setting, nothing is chosen and no dev
    trial runs. The final runs may have another resolution and average their weights: `final_resolution` and
    `final_polyak` (Table 2's ImageNet). Resolutions are lowered to whole patches: 384 to 378 for a ViT-H/14.

    How widely settings are searched is outside the identity, so more learning rates or trials redo nothing.
    """

    name: str  # name in tables and figures; part of the identity
    data: Dataset  # the downstream data set
    base_lrs: tuple[float, ...] = field(metadata=OUTSIDE)  # the grid of learning rates
    steps: int  # optimizer steps of a fine-tuning
    recipe: Recipe = FINETUNE  # the other hyperparameters (Table 4)
    dev_fraction: float = 0.1  # share of the training images that settings are chosen on
    resolution: int = 384  # pixels on a side of the square images (§4.1)
    convolutional_base_lrs: tuple[float, ...] = field(metadata=OUTSIDE, default=())  # more for ResNets, hybrids
    resnet_settings: tuple[Setting, ...] = field(metadata=OUTSIDE, default=())  # more settings for ResNets (§B.1.1)
    search: Search | None = field(metadata=OUTSIDE, default=None)  # what is tried besides the grid
    halving: Halving | None = field(metadata=OUTSIDE, default=None)  # ends poor trials early; None: all run to the end
    final_resolution: int | None = None  # pixels on a side in the final runs; None: the setting's
    final_polyak: float | None = None  # decay of the final runs' average of weights; None: the recipe's
    keep: bool = field(metadata=OUTSIDE, default=False)  # keep the weights of the final runs as checkpoints

    def __post_init__(self) -> None:
        as_tuples(self, "base_lrs", "convolutional_base_lrs", "resnet_settings")
        check_types(self)
        check_name("task name", self.name)
        base_lrs = (*self.base_lrs, *self.convolutional_base_lrs)
        check(
            len(self.base_lrs) > 0 or self.search is not None,
            f"task {self.name} must have base_lrs or a search, got neither",
        )
        check(all(lr > 0 for lr in base_lrs), f"base_lrs of task {self.name} must be positive, got {base_lrs}")
        check(len(set(base_lrs)) == len(base_lrs), f"base_lrs of task {self.name} must differ, got {base_lrs}")
        check(self.steps > 0, f"steps of task {self.name} must be positive, got {self.steps}")
        check(0 < self.dev_fraction < 1, f"dev_fraction of task {self.name} must be in (0, 1), got {self.dev_fraction}")
        for size in (self.resolution, self.final_resolution):
            check(size is None or size > 0, f"resolution of task {self.name} must be positive, got {size}")
        if self.search is not None:
            self._check_search(self.search)
        steps = {self.steps, *(setting.steps for setting in self.resnet_settings)}
        check(
            self.halving is None or len(steps) == 1,
            f"halving of task {self.name} needs settings of equal steps, got {steps}",
        )
        polyak = self.final_polyak
        check(polyak is None or 0 <= polyak < 1, f"final_polyak of task {self.name} must be in [0, 1), got {polyak}")
        check_numbers(self)

    def _check_search(self, search: Search) -> None:
        label = f"search of task {self.name}"
        check(len(self.base_lrs) > 0 or "base_lr" in search.names, f"{label} needs base_lr in its space, or base_lrs")
        if self.halving is not None:
            check("steps" not in search.names, f"{label}: halving does not go with a search of steps")
            check(
                not search.learns, f"{label}: halving goes with sampler 'grid' or 'random', not {search.sampler_name!r}"
            )
            check(search.objectives == ("dev_top1",), f"{label}: halving goes with one objective")
        for name, values in search.space:
            for value in values.values if isinstance(values, Choice) else (values.low, values.high):
                try:
                    if name not in TOGETHER:
                        with_parameters(self.own, {name: value})
                except ValueError as error:
                    raise ValueError(f"{label}: {error}") from None

    @property
    def own(self) -> Setting:
        """The setting that the grid and the search vary, at the grid's first learning rate (any where it is empty)."""
        return Setting((*self.base_lrs, 1.0)[0], self.steps, self.resolution, self.recipe)


@dataclass(frozen=True)
class Transfer(Identified):
    """One fine-tuning: a `dev` trial on the training set less its dev split, or a `final` run on all of it."""

    upstream: Upstream  # the weights that the fine-tuning starts from
    task: Task  # the data set and the protocol
    setting: Setting  # the hyperparameters
    seed: int  # seed of the classifier's initial weights, the data order and the augmentation
    phase: Literal["dev", "final"]  # a dev trial, or a final run

    def __post_init__(self) -> None:
        check_types(self)
        stride, resolution = token_stride(self.upstream.model) or 1, self._resolution
        check(
            resolution >= stride,
            f"resolution {resolution} of task {self.task.name} is below one patch of {self.upstream.name}, "
            f"{stride} pixels",
        )

    @property
    def table(self) -> Literal["trial", "transfer"]:
        """The table of result rows that its row goes into, and its kind in the ledger."""
        return "trial" if self.phase == "dev" else "transfer"

    @property
    def resolution(self) -> int:
        """Pixels on a side of the images, in whole patches."""
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
class Probe(Identified):
    """One few-shot evaluation of one upstream."""

    upstream: Upstream  # the weights whose features are evaluated
    fewshot: FewShot  # the data set and the protocol

    def __post_init__(self) -> None:
        check_types(self)


@dataclass(frozen=True)
class EvaluationRun(Identified):
    """One evaluation of one upstream."""

    upstream: Upstream  # the weights that are evaluated
    evaluation: AnyEvaluation  # what is measured

    def __post_init__(self) -> None:
        check_types(self)
        check(
            self._resolution > 0,
            f"evaluation {self.evaluation.name} needs a resolution= for {self.upstream.name}, which has none",
        )
        stride = token_stride(self.upstream.model) or 1
        check(
            self._resolution >= stride,
            f"resolution {self._resolution} of evaluation {self.evaluation.name} is below one patch of "
            f"{self.upstream.name}, {stride} pixels",
        )

    @property
    def resolution(self) -> int:
        """Pixels on a side of the images, in whole patches."""
        return whole_patches(self.upstream.model, self._resolution)

    @property
    def _resolution(self) -> int:
        own = self.upstream.resolution if isinstance(self.upstream, Pretrain) else 0
        return self.evaluation.resolution or own


def has_classifier(upstream: Upstream) -> bool:
    """Whether weights come with a classifier of their own."""
    match upstream:
        case Pretrain():
            return upstream.masked is None
        case Released():
            return True
        case Scratch():
            return False


def evaluated(evaluation: AnyEvaluation, upstream: Upstream) -> bool:
    """Whether an upstream can be evaluated so: calibration and robustness are those of its own classifier."""
    return has_classifier(upstream) or not isinstance(evaluation, Calibration | Robustness)


@dataclass(frozen=True)
class Study:
    """One experiment: models to pre-train, baselines to compare them with, and tasks to fine-tune all of them on."""

    name: str  # name of the study; its default storage is results/NAME
    runs: tuple[Pretrain, ...]  # models to pre-train
    tasks: tuple[Task, ...] = ()  # tasks that every upstream is fine-tuned on
    fewshot: tuple[FewShot, ...] = ()  # few-shot evaluations of every upstream
    scratch: tuple[Scratch, ...] = ()  # from-scratch baselines
    released: tuple[Released, ...] = ()  # weights that were trained elsewhere
    seeds: tuple[int, ...] = (0, 1, 2)  # seeds of the final fine-tuning runs (Table 2: three)
    hardware: str = "tpu-v3"  # chip of `clusters.hardware` that a plan assumes unless told otherwise
    evaluations: tuple[AnyEvaluation, ...] = ()  # other evaluations of every upstream

    def __post_init__(self) -> None:
        as_tuples(self, "runs", "tasks", "fewshot", "scratch", "released", "seeds", "evaluations")
        check_types(self)
        check_name("study name", self.name)
        check(
            len(self.runs) + len(self.released) > 0,
            f"study {self.name} must have runs or released weights, got neither",
        )
        check(len(self.seeds) > 0 or not self.tasks, f"study {self.name} has tasks, so it needs seeds, got none")
        labels = [" on ".join([e.name, *([data.name] if (data := data_of(e)) else [])]) for e in self.evaluations]
        named: tuple[tuple[str, Sequence[object]], ...] = (
            ("task", [task.name for task in self.tasks]),
            ("seed", self.seeds),
            ("evaluation (name= tells them apart)", labels),
        )
        for kind, names in named:
            check(len(set(names)) == len(names), f"study {self.name} has the same {kind} twice: {list(names)}")
        upstreams: tuple[Upstream, ...] = (*self.runs, *self.scratch, *self.released)
        for evaluation in self.evaluations:
            check(
                any(evaluated(evaluation, upstream) for upstream in upstreams),
                f"evaluation {evaluation.name} of study {self.name} needs an upstream with a classifier, got none",
            )
        twice = [run.name for i, run in enumerate(self.runs) if run in self.runs[:i]]
        check(not twice, f"study {self.name} has the same run twice: {twice}")


def check_sizes(study: Study) -> None:
    """Whether batches and warm-ups fit the numbers of images and steps, as far as those of images are known.

    Raises ValueError naming the run or task. Specs alone may differ: a data set may not be read yet.
    """
    for run in study.runs:
        if run.data.num_train is not None:
            check(
                run.steps <= MOST["steps"], f"epochs of {run.name} make {run.steps:,} steps: {MOST['steps']:,} at most"
            )
            _check_fit(run.name, run.recipe, run.steps, run.num_images)
    for task in study.tasks:
        for setting in (task.own, *task.resnet_settings):
            _check_fit(f"task {task.name}", setting.recipe, setting.steps, task.data.num_train)


def _check_fit(label: str, recipe: Recipe, steps: int, images: int | None) -> None:
    batch, warmup = recipe.batch_size, recipe.warmup_steps
    check(
        images is None or batch <= images,
        f"batch_size of {label} must be at most the {images} images that it is trained on, got {batch}",
    )
    check(warmup <= steps, f"warmup_steps of {label} must be at most its {steps} steps, got {warmup}")

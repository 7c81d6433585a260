"""A study and its units of work, as frozen values: tasks, fine-tunings, few-shot probes."""

from dataclasses import dataclass, field, replace
from typing import Literal

from scaling.checks import check, check_choices, check_name
from scaling.specs.architectures import token_stride, whole_patches
from scaling.specs.identity import OUTSIDE, Identified
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Released, Scratch, Upstream
from scaling.specs.recipe import FINETUNE, Recipe
from scaling.specs.search import Halving, Search, Setting

Precision = Literal["fp32", "bf16"]  # hardware, so in no spec: of a step's arithmetic; weights are fp32


@dataclass(frozen=True)
class Task(Identified):
    """A downstream data set and the protocol on it (§4.1, Table 4): choose on a dev split, then train on everything.

    What is tried are the rates of the grid (`base_lrs`; ResNets and hybrids get `convolutional_base_lrs` as well, and
    ResNets `resnet_settings`), and what `search` proposes, all at `resolution`; with one setting there is nothing to
    choose and no dev trial. The final runs may have another resolution and average their weights: `final_resolution`
    and `final_polyak` (Table 2's ImageNet). Resolutions are lowered to whole patches (/14: 378).
    """

    name: str  # in tables and figures; part of the identity
    data: Dataset  # the downstream data set
    base_lrs: tuple[float, ...] = field(metadata=OUTSIDE)  # the grid of learning rates
    steps: int  # optimizer steps of a fine-tuning
    recipe: Recipe = FINETUNE  # the rest of how to fine-tune
    dev_fraction: float = 0.1  # share of the training images that settings are chosen on
    resolution: int = 384  # pixels on a side
    convolutional_base_lrs: tuple[float, ...] = field(metadata=OUTSIDE, default=())  # more for ResNets, hybrids
    resnet_settings: tuple[Setting, ...] = field(metadata=OUTSIDE, default=())  # more settings for ResNets
    search: Search | None = field(metadata=OUTSIDE, default=None)  # what is tried after the grid
    halving: Halving | None = field(metadata=OUTSIDE, default=None)  # ends poor trials early
    final_resolution: int | None = None  # of the final runs; None: the setting's
    final_polyak: float | None = None  # decay of the final runs' average of weights; None: the setting's
    keep: bool = field(metadata=OUTSIDE, default=False)  # the final runs' weights, as checkpoints

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

    upstream: Upstream  # what is fine-tuned
    task: Task  # on what, by which protocol
    setting: Setting  # how
    seed: int  # of the classifier, data order and augmentation
    phase: Literal["dev", "final"]  # a dev trial or a final run

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
class Probe(Identified):
    """One few-shot evaluation of one upstream."""

    upstream: Upstream  # whose frozen features are judged
    fewshot: FewShot  # on what


@dataclass(frozen=True)
class Study:
    """One experiment: runs to pre-train, controls from scratch, weights from elsewhere, and tasks for all of them."""

    name: str  # names the default storage, results/NAME
    runs: tuple[Pretrain, ...]  # models to pre-train
    tasks: tuple[Task, ...] = ()  # fine-tuned on, by every upstream
    fewshot: tuple[FewShot, ...] = ()  # few-shot evaluations of every upstream
    scratch: tuple[Scratch, ...] = ()  # from-scratch baselines
    released: tuple[Released, ...] = ()  # weights from elsewhere
    seeds: tuple[int, ...] = (0, 1, 2)  # of the final fine-tuning runs (Table 2: three)
    hardware: str = "tpu-v3"  # chip of `clusters.hardware` that a plan assumes unless told

    def __post_init__(self) -> None:
        for name in ("runs", "tasks", "fewshot", "scratch", "released", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_name("study name", self.name)
        check(len(self.runs) + len(self.released) > 0, f"study {self.name} has no runs")
        check(len(self.seeds) > 0 or not self.tasks, f"study {self.name} has tasks but no seeds")
        for what, names in (("task", [t.name for t in self.tasks]), ("seed", self.seeds)):
            check(len(set(names)) == len(names), f"study {self.name} has the same {what} twice: {list(names)}")
        twice = [run.name for i, run in enumerate(self.runs) if run in self.runs[:i]]
        check(not twice, f"study {self.name} has the same run twice: {twice}")

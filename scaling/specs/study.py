"""Specs: what an experiment is, as frozen values.

A spec says everything that decides a result and nothing else. Its id is a hash of those fields, so equal experiments
have equal ids on every machine; where the data lie, how a run is called and how wide a search is are left out of it
(fields marked OUTSIDE).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from scaling.checks import check, check_name, check_types
from scaling.specs.architectures import (
    Architecture,
    Hybrid,
    ResNet,
    ViT,
    family,
    token_stride,
    whole_patches,
    without_representation,
)
from scaling.specs.identity import OUTSIDE, Identified, from_json, identity, to_json
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Released, Scratch, Upstream
from scaling.specs.recipe import FINETUNE, MaskedPatches, Recipe
from scaling.specs.search import Choice, Halving, Range, Search, Setting

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
    "Released",
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
    keep: bool = field(metadata=OUTSIDE, default=False)  # the final runs' weights, as checkpoints

    def __post_init__(self) -> None:
        for name in ("base_lrs", "convolutional_base_lrs", "resnet_settings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_types(self)
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
        check_types(self)
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

    upstream: Upstream
    fewshot: FewShot


@dataclass(frozen=True)
class Study:
    """One experiment: runs to pre-train, controls from scratch, weights from elsewhere, and tasks for all of them."""

    name: str
    runs: tuple[Pretrain, ...]
    tasks: tuple[Task, ...] = ()
    fewshot: tuple[FewShot, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    released: tuple[Released, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)  # of the final fine-tuning runs (Table 2: three)
    hardware: str = "tpu-v3"  # chip of `clusters.hardware` that a plan assumes unless told

    def __post_init__(self) -> None:
        for name in ("runs", "tasks", "fewshot", "scratch", "released", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_types(self)
        check_name("study name", self.name)
        check(len(self.runs) + len(self.released) > 0, f"study {self.name} has no runs")
        check(len(self.seeds) > 0 or not self.tasks, f"study {self.name} has tasks but no seeds")
        for what, names in (("task", [t.name for t in self.tasks]), ("seed", self.seeds)):
            check(len(set(names)) == len(names), f"study {self.name} has the same {what} twice: {list(names)}")
        twice = [run.name for i, run in enumerate(self.runs) if run in self.runs[:i]]
        check(not twice, f"study {self.name} has the same run twice: {twice}")

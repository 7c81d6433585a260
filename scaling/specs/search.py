"""Hyperparameter searches as frozen values: settings of a fine-tuning, spaces of them, and how a space is searched."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any, Literal

from scaling.checks import MOST, as_tuples, check, check_numbers, check_types
from scaling.specs.functions import Options, as_call
from scaling.specs.identity import Identified
from scaling.specs.recipe import Recipe

Value = int | float | str  # of a searched parameter


@dataclass(frozen=True)
class Setting(Identified):
    """All hyperparameters of one fine-tuning: what a search chooses."""

    base_lr: float  # peak learning rate
    steps: int  # optimizer steps
    resolution: int  # pixels on a side of the square images
    recipe: Recipe  # the other hyperparameters

    def __post_init__(self) -> None:
        check_types(self)
        check(self.base_lr > 0, f"base_lr must be positive, got {self.base_lr}")
        check(self.steps > 0, f"steps must be positive, got {self.steps}")
        check(self.resolution > 0, f"resolution must be positive, got {self.resolution}")
        check_numbers(self)


RECIPE_FIELDS = {field.name for field in fields(Recipe)}
PARAMETERS = RECIPE_FIELDS | {"base_lr", "steps", "resolution"}


def parameters_of(setting: Setting, names: Iterable[str]) -> dict[str, Value]:
    """The values of a setting's parameters `names`: base_lr, steps, resolution, or fields of its recipe."""
    return {name: getattr(setting.recipe if name in RECIPE_FIELDS else setting, name) for name in names}


def with_parameters(setting: Setting, values: Mapping[str, Value]) -> Setting:
    """The setting with other values of some parameters, by name as for `parameters_of`."""
    inside = {name: value for name, value in values.items() if name in RECIPE_FIELDS}
    outside = {name: value for name, value in values.items() if name not in RECIPE_FIELDS}
    return replace(setting, **outside, recipe=replace(setting.recipe, **inside))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, uniform in the number or in its logarithm; integers when both ends are."""

    low: int | float  # smallest value, included
    high: int | float  # largest value, included
    log: bool = False  # uniform in the logarithm, as learning rates are

    def __post_init__(self) -> None:
        check_types(self)
        check(self.low < self.high, f"low of a Range must be below high, got {self.low} to {self.high}")
        check(not self.log or self.low > 0, f"low of a Range with log must be positive, got {self.low}")
        check_numbers(self)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]  # the values, each once

    def __post_init__(self) -> None:
        as_tuples(self, "values")
        check_types(self)
        check(len(self.values) > 0, "values of a Choice must not be empty")
        check(len(set(self.values)) == len(self.values), f"values of a Choice must differ, got {self.values}")
        check_numbers(self)


Distribution = Range | Choice
Objective = Literal["dev_top1", "flops"]


@dataclass(frozen=True)
class Sampler:
    """One of Optuna's samplers by its name, such as 'GPSampler', 'CmaEsSampler' (which needs the package cmaes) or
    'QMCSampler'; or any by its import path, such as 'my_samplers:Mine'. 'optunahub:AutoSampler' is the hub's.

    It is made with `options`, and with a `seed` where it takes one, and is asked for the trials of a search in their
    order: its proposals are a function of the search and the results alone, whatever state it has.
    """

    path: str | Callable[..., Any]  # a name of optuna.samplers, 'module:name', or the class or function itself
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    version: str = ""  # of your code

    def __post_init__(self) -> None:
        if isinstance(self.path, str) and self.path.isidentifier():
            object.__setattr__(self, "path", f"optuna.samplers:{self.path}")
        as_call(self)


@dataclass(frozen=True)
class Search:
    """A hyperparameter search over `space`: names of parameters (base_lr, steps, resolution, fields of Recipe) with
    the values that each may take.

    The sampler 'grid' tries every combination of choices; 'random', 'tpe' (Bergstra et al. 2011), 'nsga2' (Deb et al.
    2002) and every `Sampler` try `trials` settings. All but the first two learn from finished trials: they propose a
    whole `generation` from the results of the generations before it, so that what they propose does not depend on which
    trial ends first.

    With two objectives, dev accuracy and the FLOPs of the fine-tuning, no single setting is best: the Pareto set is
    kept. Settings that cost more than `max_flops` are not tried, and count as trials.

    `terminate` ends a search when more trials will not pay, after 20 of them: 'regret' when the dev accuracy that is
    still to be won (the bound of Makarova et al. 2022, §3) is less than the standard error of an accuracy on that many
    dev images; 'stagnation' when none of the last 20 was better than those before.
    """

    space: tuple[tuple[str, Distribution], ...]  # pairs of a parameter's name and its Range or Choice
    trials: int | None = None  # number of settings to try; None for a grid, which tries all combinations
    sampler: Literal["grid", "random", "tpe", "nsga2"] | Sampler = "tpe"  # the algorithm that proposes settings
    seed: int = 0  # seed of the sampler
    generation: int = 8  # settings that a sampler proposes at a time
    objectives: tuple[Objective, ...] = ("dev_top1",)  # dev accuracy, or dev accuracy against FLOPs
    max_flops: float | None = None  # FLOPs of a fine-tuning, at most
    terminate: Literal["never", "regret", "stagnation"] = "never"  # when a search ends before all its trials

    def __post_init__(self) -> None:
        as_tuples(self, "space", "objectives")
        if isinstance(self.space, tuple):
            pairs = tuple(tuple(pair) if isinstance(pair, list) else pair for pair in self.space)
            object.__setattr__(self, "space", pairs)
        check_types(self)
        check(len(self.space) > 0, "space of a search must name a parameter")
        unknown = sorted(set(self.names) - PARAMETERS)
        check(not unknown, f"cannot search {', '.join(unknown)}: take base_lr, steps, resolution or a field of Recipe")
        check(len(set(self.names)) == len(self.names), f"space of a search has a parameter twice: {self.names}")
        check(
            self.objectives in (("dev_top1",), ("dev_top1", "flops")),
            f"objectives must be ('dev_top1',) or ('dev_top1', 'flops'), got {self.objectives}",
        )
        check(self.generation > 0, f"generation must be positive, got {self.generation}")
        if self.sampler == "grid":
            ranges = [name for name, values in self.space if isinstance(values, Range)]
            check(not ranges, f"a grid needs a Choice of every parameter, not a Range of {', '.join(ranges)}")
            check(self.trials is None, f"a grid tries all combinations: take trials=None, got {self.trials}")
            size = prod(len(values.values) for _, values in self.space if isinstance(values, Choice))
            check(size <= MOST["trials"], f"a grid of {size:,} combinations is more than {MOST['trials']:,}")
        else:
            check(
                self.trials is not None and self.trials > 0,
                f"trials of a {self.sampler_name} search must be positive, got {self.trials}",
            )
        check(self.max_flops is None or self.max_flops > 0, f"max_flops must be positive, got {self.max_flops}")
        check(
            self.terminate == "never" or (self.learns and len(self.objectives) == 1),
            f"terminate {self.terminate!r} needs a sampler that learns, and one objective, got {self.sampler_name} and "
            f"{self.objectives}",
        )
        check(0 <= self.seed < 2**32, f"seed of a search must be in [0, 2**32), got {self.seed}")
        check_numbers(self)

    @property
    def learns(self) -> bool:
        """Whether later trials depend on the results of earlier ones."""
        return self.sampler not in ("grid", "random")

    @property
    def sampler_name(self) -> str:
        return str(self.sampler.path) if isinstance(self.sampler, Sampler) else self.sampler

    @property
    def names(self) -> list[str]:
        """The parameters that are searched."""
        return [name for name, _ in self.space]


@dataclass(frozen=True)
class Halving:
    """Asynchronous successive halving, ASHA (Li et al. 2020, Algorithm 2): poor trials end early.

    Trials pause at rungs: after `first` steps, then after `factor` times as many, and so on. The best 1/factor of the
    trials that have reached a rung are promoted to the next one, as soon as they are among these: no trial waits for a
    rung to be full.
    """

    first: int  # optimizer steps to the first rung
    factor: int = 3  # ratio of the steps of neighbouring rungs, and of trials to promotions

    def __post_init__(self) -> None:
        check_types(self)
        check(self.first > 0, f"first of halving must be positive, got {self.first}")
        check(self.factor > 1, f"factor of halving must be 2 or more, got {self.factor}")
        check_numbers(self)

    def rungs(self, steps: int) -> list[int]:
        """The rungs of a trial of `steps` steps: each at least `factor` times the one before, the last all of them."""
        rungs, at = [], self.first
        while at * self.factor <= steps:
            rungs.append(at)
            at *= self.factor
        return [*rungs, steps]

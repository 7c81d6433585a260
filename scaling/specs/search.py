"""What fine-tunings are tried on the dev split, as frozen values: settings, spaces, and how a space is searched."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from scaling.checks import check, check_types
from scaling.specs.identity import Identified
from scaling.specs.recipe import Recipe

Value = int | float | str  # of a searched parameter


@dataclass(frozen=True)
class Setting(Identified):
    """One way to fine-tune, in full: what a search chooses."""

    base_lr: float
    steps: int
    resolution: int
    recipe: Recipe

    def __post_init__(self) -> None:
        check_types(self)
        check(self.base_lr > 0, f"base_lr must be positive, got {self.base_lr}")
        check(self.steps > 0, f"steps must be positive, got {self.steps}")
        check(self.resolution > 0, f"resolution must be positive, got {self.resolution}")


RECIPE_FIELDS = {field.name for field in fields(Recipe)}
PARAMETERS = RECIPE_FIELDS | {"base_lr", "steps", "resolution"}


def parameters_of(setting: Setting, names: Iterable[str]) -> dict[str, Value]:
    """The values of some parameters."""
    return {name: getattr(setting.recipe if name in RECIPE_FIELDS else setting, name) for name in names}


def with_parameters(setting: Setting, values: Mapping[str, Value]) -> Setting:
    """The setting with some parameters changed."""
    inside = {name: value for name, value in values.items() if name in RECIPE_FIELDS}
    outside = {name: value for name, value in values.items() if name not in RECIPE_FIELDS}
    return replace(setting, **outside, recipe=replace(setting.recipe, **inside))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, evenly or by their logarithm; whole ones when both are."""

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        check(self.low < self.high, f"a range must rise, got {self.low} to {self.high}")
        check(not self.log or self.low > 0, f"a range by logarithm must be positive, got {self.low} to {self.high}")


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        check_types(self)
        check(len(self.values) > 0, "a choice needs values")
        check(len(set(self.values)) == len(self.values), f"a choice has a value twice: {self.values}")


Distribution = Range | Choice
Objective = Literal["dev_top1", "flops"]


@dataclass(frozen=True)
class Search:
    """A search of `space`, parameters and what they may be: base_lr, steps, resolution, fields of Recipe.

    'grid' takes every combination of choices; 'random', 'tpe' (Bergstra et al. 2011) and 'nsga2' (Deb et al. 2002) take
    `trials` settings. The latter two learn from what is finished. They propose a `generation` at a time, from the
    results of those before it alone, so that what they propose does not depend on the machine.

    With two objectives, accuracy and the FLOPs of the fine-tuning, no setting is best: the Pareto set is kept.
    """

    space: tuple[tuple[str, Distribution], ...]
    trials: int | None = None
    sampler: Literal["grid", "random", "tpe", "nsga2"] = "tpe"
    seed: int = 0
    generation: int = 8
    objectives: tuple[Objective, ...] = ("dev_top1",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", tuple((name, what) for name, what in self.space))
        object.__setattr__(self, "objectives", tuple(self.objectives))
        check_types(self)
        check(len(self.space) > 0, "a search needs a space")
        unknown = sorted(set(self.names) - PARAMETERS)
        check(not unknown, f"cannot search {', '.join(unknown)}: take base_lr, steps, resolution or a field of Recipe")
        check(
            self.objectives in (("dev_top1",), ("dev_top1", "flops")),
            f"objectives must be ('dev_top1',) or ('dev_top1', 'flops'), got {self.objectives}",
        )
        check(self.generation > 0, f"generation must be positive, got {self.generation}")
        if self.sampler == "grid":
            ranges = [name for name, what in self.space if isinstance(what, Range)]
            check(not ranges, f"a grid needs a Choice of every parameter, not a Range of {', '.join(ranges)}")
            check(self.trials is None, f"a grid has as many trials as combinations, got trials {self.trials}")
        else:
            check(
                self.trials is not None and self.trials > 0,
                f"trials of a {self.sampler} search must be positive, got {self.trials}",
            )

    @property
    def learns(self) -> bool:
        """Whether later trials depend on the results of earlier ones."""
        return self.sampler in ("tpe", "nsga2")

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.space]


@dataclass(frozen=True)
class Halving:
    """Asynchronous successive halving, ASHA (Li et al. 2020, Algorithm 2): poor trials end early.

    Trials pause after `first` steps, then after `factor` times as many, and so on. Of those that got to a rung, the
    best 1/factor go on to the next, whenever one is among them: nobody waits for a rung to be full.
    """

    first: int
    factor: int = 3

    def __post_init__(self) -> None:
        check_types(self)
        check(self.first > 0, f"first rung must be positive, got {self.first}")
        check(self.factor > 1, f"factor of halving must be 2 or more, got {self.factor}")

    def rungs(self, steps: int) -> list[int]:
        """Steps at which a trial of so many is judged: each at least `factor` times the one before, the last all."""
        rungs, at = [], self.first
        while at * self.factor <= steps:
            rungs.append(at)
            at *= self.factor
        return [*rungs, steps]

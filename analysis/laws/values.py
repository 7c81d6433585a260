"""What a fit is asked for and what it answers: plain values."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from analysis.laws import checks
from analysis.laws.forms import Array, Form
from analysis.laws.intervals import Noise, expanded
from analysis.laws.solve import Objective, Problem

MANY = 10  # configurations per constant from which on the bootstrap's intervals are the better ones
Interval = tuple[float, float]


@dataclass(frozen=True)
class Method:
    """How a law is fitted.

    The Huber loss's `delta` is 1e-3 on the log (Hoffmann et al. 2022), and 1e-3 of the median on the value, unless it
    is given. `held_out` is the number of largest rungs that the check predicts, by default a fifth of them. `fixed`
    holds constants at a value, such as (("E", 0.0),).

    `interval` is the kind that is reported. The bootstrap over configurations assumes nothing about the scatter but
    needs many of them; the profile keeps its level with few, but assumes equal scatter everywhere. 'auto' uses the
    bootstrap from 10 configurations per constant on. Of more than `most` configurations only so many are fitted, evenly
    spread over their sizes: more take time and memory, and hardly change the answer.
    """

    loss: Literal["huber", "squared"] = "huber"
    on: Literal["log", "value"] = "log"
    delta: float | None = None
    bootstrap: int = 1000
    seed: int = 0
    level: float = 0.95
    held_out: int | None = None
    interval: Literal["auto", "bootstrap", "profile"] = "auto"
    fixed: tuple[tuple[str, float], ...] = ()
    most: int = 10_000

    def __post_init__(self) -> None:
        if self.loss not in ("huber", "squared") or self.on not in ("log", "value"):
            raise ValueError(f"no such fit: {self.loss} on {self.on}; there are huber and squared, on log or value")
        if self.delta is not None and not self.delta > 0:
            raise ValueError(f"delta must be positive, got {self.delta:g}")
        if self.bootstrap < 0 or self.seed < 0:
            raise ValueError(f"bootstrap and seed must not be negative, got {self.bootstrap} and {self.seed}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must be between 0 and 1, got {self.level:g}")
        if self.held_out is not None and self.held_out < 0:
            raise ValueError(f"held_out must be a number of rungs, 0 or more, got {self.held_out}")
        if self.most < 1:
            raise ValueError(f"most must be a number of configurations, 1 or more, got {self.most}")

    def objective(self, y: Array) -> Objective:
        """The objective for fitting these values."""
        if self.loss == "squared":
            return Objective(np.inf, self.on)
        known = np.abs(y[np.isfinite(y)])
        size = float(np.median(known)) if self.on == "value" and known.size else 1.0
        return Objective(1e-3 * (size or 1.0) if self.delta is None else self.delta, self.on)


@dataclass(frozen=True)
class TooFew:
    """The answer when there are too few points for a law: it needs at least `needs` of `what` and has only `has`."""

    form: str
    needs: int
    has: int
    what: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"too few points: needs at least {self.needs} distinct {self.what}, has {self.has}"


@dataclass(frozen=True)
class Constant:
    """A constant of a law. `interval` is the reported one, by the `bootstrap` over configurations or by the `profile`.

    The intervals of a fixed constant are its value. Without a bootstrap, `bootstrap` is the profile's interval.
    """

    name: str
    value: float
    interval: Interval
    bootstrap: Interval
    profile: Interval
    fixed: bool = False


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted law. `scatter` is the root mean square residual on the method's scale, over the degrees of freedom.

    For predictions it keeps the problem and its weights, theta (constants,), the bootstrap's `draws` of it (samples,
    constants), its covariance, and the noise.
    """

    form: Form
    method: Method
    constants: tuple[Constant, ...]
    rows: int
    configurations: int
    interval_by: Literal["bootstrap", "profile"]
    ranges: tuple[tuple[str, float, float], ...]
    scatter: float
    held_out: checks.HeldOut | None
    lack_of_fit: checks.LackOfFit
    notes: tuple[str, ...]
    problem: Problem = field(repr=False)
    weights: Array = field(repr=False)
    theta: Array = field(repr=False)
    draws: Array = field(repr=False)
    covariance: Array = field(repr=False)
    noise: Noise = field(repr=False)

    def __getitem__(self, name: str) -> Constant:
        return next(constant for constant in self.constants if constant.name == name)

    @property
    def tail(self) -> float:
        """The probability left out on each side by the bootstrap's percentile intervals."""
        free = sum(not constant.fixed for constant in self.constants)
        return expanded(self.method.level, self.configurations, free)


def pair(values: Array) -> Interval:
    return float(values[0]), float(values[1])

"""How far a law can be trusted: error on the largest rungs held out, lack of fit, distance from the data.

A rung is all configurations of one size, the product of the inputs.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import norm, rankdata

from analysis.laws.forms import Array
from analysis.laws.points import Points

SHARE = 0.2  # of the rungs, held out by default
SIGNIFICANT = 0.05
PERMUTATIONS, EXACT = 1999, 100  # permutations for up to 100 residuals; for more, the normal limit of the test


@dataclass(frozen=True)
class HeldOut:
    """The largest rungs, predicted by a fit without them.

    `error` is the mean of |predicted / actual - 1|, `bias` the mean of predicted / actual - 1. `factor` is the largest
    size held out over the largest that was fitted.
    """

    rungs: int
    configurations: int
    factor: float
    error: float
    bias: float
    actual: tuple[float, ...]
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class LackOfFit:
    """Whether the points deviate from the law by more than noise; `p_value` is None with too few points to test."""

    test: str
    p_value: float | None

    @property
    def found(self) -> bool:
        return self.p_value is not None and self.p_value < SIGNIFICANT


def sizes(x: Array) -> Array:
    """Products of the inputs (points); of parameters and samples that is compute up to a factor."""
    # rounded, so that equal products of different inputs are one rung
    products: Array = np.exp(np.round(np.log(x).sum(axis=1), 9))
    return products


def rungs_fitted(x: Array, rungs: int | None) -> Array:
    """Which points (points,) are fitted when the `rungs` largest are held out; by default a fifth, at least one."""
    size = sizes(x)
    distinct = np.unique(size)
    count = max(1, round(SHARE * len(distinct))) if rungs is None else rungs
    if count == 0:
        return np.ones(len(size), bool)
    below: Array = size < distinct[max(len(distinct) - count, 0)]
    return below


def held_out(data: Points, fitted: Array, predicted: Array, y: Array) -> HeldOut:
    """The check, given which points were `fitted`, the `predicted` values of the others, and all values `y`."""
    actual, size = y[~fitted], sizes(data.x)
    # a value of 0 has no relative error
    ratio = predicted / np.where(actual == 0, np.nan, actual) - 1
    return HeldOut(
        rungs=len(np.unique(size[~fitted])),
        configurations=len(actual),
        factor=float(size.max() / size[fitted].max()),
        error=float(np.mean(np.abs(ratio))),
        bias=float(np.mean(ratio)),
        actual=tuple(map(float, actual)),
        predicted=tuple(map(float, predicted)),
    )


def beyond(x: Array, place: Array) -> float:
    """The factor by which a place (inputs,) is outside the inputs x (points, inputs) or their products; 1 inside."""
    logs, there = np.log(x), np.log(place)
    logs, there = np.column_stack([logs, logs.sum(axis=1)]), np.append(there, there.sum())
    outside = np.maximum(there - logs.max(axis=0), logs.min(axis=0) - there).max()
    return float(np.exp(outside)) if outside > 1e-9 else 1.0


def lack_of_fit(data: Points, residual: Array, squares: Array, free: int, names: tuple[str, ...]) -> LackOfFit:
    """With replicates, an F-test of the residuals against pure error; otherwise a test for order in the residuals.

    `residual` are the fit's residuals, `squares` those of the least squares fit, which the F-test needs; `free` is the
    number of free constants.
    """
    freedom = len(residual) - free
    if data.pure_freedom >= 3 and data.pure > 0 and freedom > 0:
        ratio = float((data.weight * squares**2).sum()) / freedom / (data.pure / data.pure_freedom)
        return LackOfFit("F-test against the scatter of seeds", float(fisher.sf(ratio, freedom, data.pure_freedom)))
    return _order(data, residual, names)


def _order(data: Points, residual: Array, names: tuple[str, ...]) -> LackOfFit:
    """Bartels's (1982) rank version of von Neumann's ratio, in order of the product and of each input.

    Neighbours that are more alike than by chance show a curve that the law does not follow. The smallest p-value
    counts, times the number of orders (Bonferroni).
    """
    test = "order of the residuals (Bartels's rank test)"
    if len(residual) < 8 or np.ptp(residual) == 0:
        return LackOfFit(test, None)
    orders = [np.arange(len(residual))]
    if len(names) > 1:
        orders += [np.lexsort((*np.delete(data.x, i, axis=1).T, data.x[:, i])) for i in range(len(names))]
    rank = rankdata(residual)
    least = min(_alike(np.diff(rank[order]), rank) for order in orders)
    return LackOfFit(test, min(1.0, least * len(orders)))


def _alike(steps: Array, rank: Array) -> float:
    """The chance that a random order of the ranks has as small a sum of squared steps: by permutation, or its limit."""
    n, observed = len(rank), (steps**2).sum()
    if n > EXACT:
        ratio = observed / ((rank - rank.mean()) ** 2).sum()
        variance = 4 * (n - 2) * (5 * n**2 - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2)
        return float(norm.cdf((ratio - 2) / np.sqrt(variance)))
    shuffled = np.random.default_rng(0).permuted(np.tile(rank, (PERMUTATIONS, 1)), axis=1)
    chance = (np.diff(shuffled, axis=1) ** 2).sum(axis=1)
    # the observed order counts as one of the permutations: the p-value is never 0
    return float((1 + (chance <= observed).sum()) / (PERMUTATIONS + 1))


def held_out_text(check: HeldOut | None) -> str:
    """The check as a sentence."""
    if check is None:
        return "Held out: not checked, too few rungs for a fit without the largest."
    rungs = "The largest rung" if check.rungs == 1 else f"The {check.rungs} largest rungs"
    runs = "1 configuration" if check.configurations == 1 else f"{check.configurations} configurations"
    side = "high" if check.bias > 0 else "low"
    mean = f"{check.error:.2%} off" if check.configurations == 1 else f"{check.error:.2%} off on average"
    return (
        f"Held out: {rungs.lower()} ({runs}, up to {check.factor:,.3g} times the size of the rest), predicted by a fit "
        f"without: {mean}, {abs(check.bias):.2%} too {side}."
    )


def lack_of_fit_text(check: LackOfFit) -> str:
    """The test as a sentence."""
    if check.p_value is None:
        return "Lack of fit: cannot be tested with so few points."
    shown = f"p = {check.p_value:.2g}" if check.p_value >= 1e-4 else "p < 0.0001"
    if check.found:
        return (
            f"Lack of fit: FOUND ({check.test}, {shown}). The points leave this law by more than chance: "
            "mistrust its extrapolations."
        )
    return f"Lack of fit: none found ({check.test}, {shown})."

"""Intervals of a law's constants: by a bootstrap over configurations, and by the profile of the objective."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from analysis.laws.forms import Array
from analysis.laws.solve import Problem, solve

SPARE = 2  # configurations that a fit needs beyond its constants


def resampled(count: int, samples: int, seed: int, free: int) -> Array:
    """How often each of `count` configurations is in each bootstrap sample: (samples, count).

    A sample with too few distinct configurations to fit `free` constants is drawn again.
    """
    # on average a sample has 63 % of the configurations: asking for more would bias it, or never end
    least = min(free + SPARE, math.ceil(0.632 * count))
    rng, chances = np.random.default_rng(seed), np.full(count, 1 / count)
    kept = np.zeros((0, count))
    while len(kept) < samples:
        drawn = rng.multinomial(count, chances, size=samples).astype(float)
        kept = np.concatenate([kept, drawn[(drawn > 0).sum(axis=1) >= least]])
    return kept[:samples]


def bootstrap(problem: Problem, weights: Array, draws: Array, best: Array, pool: Array) -> Array:
    """Theta (samples, constants) of the law fitted again to each sample of `draws` (samples, points).

    Each is solved twice and the better solution kept: from the best fit of all points, and from the theta of `pool`
    (starts, constants) with the least cost on the sample, since a sample may have its minimum elsewhere.
    """
    if not len(draws):
        return np.zeros((0, len(best)))
    weighted = draws * weights
    theta, cost = solve(problem, weighted, np.broadcast_to(best, (len(draws), len(best))))
    losses = problem.objective.loss(problem.t - problem.curve(pool)[0])
    other, other_cost = solve(problem, weighted, pool[np.argmin(weighted @ losses.T, axis=1)])
    return np.where((other_cost < cost)[:, None], other, theta)


def expanded(level: float, count: int, constants: int) -> float:
    """The tail of a percentile interval, smaller than (1 - level) / 2 where there are few configurations.

    A bootstrap of few points is too narrow, by sqrt((n - p) / n) and by using normal tails: Hesterberg (2015), 'What
    teachers should know about the bootstrap', expands the percentiles by the quantile of Student's t.
    """
    freedom = max(count - constants, 1)
    return float(norm.cdf(-np.sqrt(count / freedom) * student.ppf((1 + level) / 2, freedom)))


def percentile(values: Array, tail: float) -> tuple[Array, Array]:
    """The interval between two tails of probability `tail`, along the first axis."""
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


# --- noise ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noise:
    """Scatter of the points around a law, as the theory of M-estimators measures it.

    `psi` is the mean square of the loss's slope, over the degrees of freedom; `inside` the mean of its curvature, which
    for the Huber loss is the chance that a residual is in the quadratic part.
    """

    psi: float
    inside: float

    @property
    def variance(self) -> float:
        """Variance of a point of weight 1, as it counts for the constants."""
        return self.psi / self.inside**2

    @property
    def per_cost(self) -> float:
        """Twice a difference of the objective over this is chi-square: Ronchetti's robust likelihood ratio."""
        return self.psi / self.inside


def noise(problem: Problem, weights: Array, theta: Array, free: int) -> Noise:
    """The scatter around the law with constants theta, of which `free` were fitted."""
    residual = problem.t - problem.curve(theta[None])[0][0]
    count = len(residual)
    slope = residual * problem.objective.pull(residual)
    psi = float((weights**2 * slope**2).sum() / weights.sum()) * count / max(count - free, 1)
    return Noise(max(psi, 1e-300), _inside(residual * np.sqrt(weights / weights.mean()), problem.objective.delta, free))


def _inside(residual: Array, delta: float, free: int) -> float:
    """The chance that |residual| <= delta, by a normal kernel.

    The `free` smallest residuals are left out: a law passes through about as many points as it has constants. Residuals
    are shrunk by as much as the kernel widens them, so that their spread stays the same.
    """
    size = np.sort(np.abs(residual))[free:]
    if delta >= size[-1]:
        return 1.0
    # the smaller of two estimates of the spread, as in Silverman's rule of thumb: outliers do not widen the kernel
    spread = min(float(np.sqrt(np.mean(size**2))), 1.4826 * float(np.median(size)))
    # 0.9 n^-1/5: Silverman's bandwidth, relative to the spread
    narrow = 0.9 * len(size) ** -0.2
    centre, width = size / np.hypot(1, narrow), max(spread * narrow / np.hypot(1, narrow), 1e-300)
    return float(np.mean(norm.cdf((delta - centre) / width) - norm.cdf((-delta - centre) / width)))


def covariance(problem: Problem, weights: Array, theta: Array, free: Array, scatter: Noise) -> Array:
    """The linearised covariance (constants, constants) of theta; 0 for constants that are not free."""
    slopes = problem.curve(theta[None])[1][0][:, free]
    result = np.zeros((len(theta), len(theta)))
    # pseudo-inverse: the points may not determine every constant
    result[np.ix_(free, free)] = (
        np.linalg.pinv((slopes * weights[:, None]).T @ slopes, hermitian=True) * scatter.variance
    )
    return result


# --- profile -------------------------------------------------------------------------------------------------------


def profile(problem: Problem, weights: Array, theta: Array, cost: float, free: Array, excess: float) -> Array:
    """(constants, 2): where the best cost with one constant held rises by `excess`; the limit where it never does.

    Both sides of all constants are followed at the same time, in one batch: growing steps outward, then bisection.
    """
    index = np.repeat(np.flatnonzero(free), 2)
    side = np.tile([-1.0, 1.0], len(index) // 2)
    rows = np.arange(len(index))
    held = np.zeros((len(index), len(theta)), bool)
    held[rows, index] = True
    many = np.broadcast_to(weights, (len(index), len(weights)))
    limit = np.where(side < 0, problem.low[index], problem.high[index])
    inner, outer = theta[index].copy(), np.full(len(index), np.nan)
    start = np.tile(theta, (len(index), 1))
    width = np.full(len(index), 1.0) * np.maximum(1e-3, 0.02 * np.abs(theta[index]))
    for _ in range(60):
        known = ~np.isnan(outer)
        wanted = np.where(known, (inner + outer) / 2, inner + side * width)
        wanted = np.where(known, wanted, np.where(side < 0, np.maximum(wanted, limit), np.minimum(wanted, limit)))
        # each solve starts from the last one nearby: along a curved valley a cold start finds another minimum
        trial = start.copy()
        trial[rows, index] = wanted
        thetas, rise = solve(problem, many, trial, held)
        beyond = rise - cost > excess
        outer = np.where(beyond, wanted, outer)
        inner = np.where(beyond, inner, wanted)
        start = np.where(beyond[:, None], start, thetas)
        width = np.where(beyond, width, width * 2)
        at_limit = np.isnan(outer) & (inner == limit)
        narrow = np.abs(outer - inner) < 1e-3 * np.abs(outer - theta[index])
        if (at_limit | narrow).all():
            break
    ends = np.tile(theta[:, None], (1, 2))
    ends[index, (side > 0).astype(int)] = np.where(np.isnan(outer), limit, (inner + outer) / 2)
    return ends

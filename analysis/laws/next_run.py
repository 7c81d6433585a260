"""What to run next: the best size and data for a budget, and the run that would narrow the law most."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.laws.forms import Array
from analysis.laws.intervals import percentile
from analysis.laws.predict import Prediction, predict
from analysis.laws.values import Fit, Interval, pair

TILTS = (0.25, 1.0, 4.0)  # of a candidate's parameters, about the best
TOKENS = 6.0  # FLOPs a parameter and token, forward and backward


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Optimum:
    """The least loss for `budget` FLOPs = `flops_per` x params x samples, and how its place grows with the budget:
    params in proportion to budget^params_exponent, samples to budget^samples_exponent.
    """

    budget: float
    flops_per: float
    params: Estimate
    samples: Estimate
    params_exponent: Estimate
    samples_exponent: Estimate
    prediction: Prediction


@dataclass(frozen=True)
class Candidate:
    """A run that could be made: its inputs, in the order of the law's, and what it costs."""

    at: tuple[float, ...]
    cost: float
    name: str = ""


@dataclass(frozen=True)
class Ranked:
    """`reduction` is the share of the variance of the prediction that the candidate would take away."""

    candidate: Candidate
    reduction: float
    per_cost: float


def compute_optimum(found: Fit, budget: float, flops_per: float = TOKENS) -> Optimum:
    """The compute-optimal run of L(N, D): Hoffmann et al. (2022), equation 4, with intervals by the bootstrap.

    Raises ValueError for another law, and for a budget or cost that is not positive.
    """
    if found.form.name != "chinchilla":
        raise ValueError(f"the {found.form.name} law knows no model size; the chinchilla law does")
    for name, value in (("budget", budget), ("FLOPs a parameter and sample", flops_per)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, got {value:g}")
    best, drawn = (_best(theta, budget / flops_per) for theta in (found.theta[None], found.draws))
    made = []
    for middle, many in zip(best, drawn, strict=True):
        ends = percentile(many, found.tail) if len(many) else (np.nan, np.nan)
        made.append(Estimate(float(middle[0]), pair(np.array(ends))))
    params, samples, params_exponent, samples_exponent = made
    there = predict(found, [(params.value, samples.value)])[0]
    return Optimum(budget, flops_per, params, samples, params_exponent, samples_exponent, there)


def _best(theta: Array, product: float) -> tuple[Array, Array, Array, Array]:
    """Best params and samples whose product is given, and the exponents of both: (batch) each."""
    log_a, log_b, alpha, beta = theta[:, 1], theta[:, 2], theta[:, 3], theta[:, 4]
    both = alpha + beta
    log_params = (np.log(alpha / beta) + log_a - log_b + beta * np.log(product)) / both
    return np.exp(log_params), np.exp(np.log(product) - log_params), beta / both, alpha / both


def rank_candidates(found: Fit, candidates: Sequence[Candidate], target: Sequence[float]) -> list[Ranked]:
    """Candidates by how much one run of each would narrow the prediction at `target`, the most first.

    By the linearised covariance S of the constants: with slopes g at the target, j at the candidate and v the variance
    of a run, the variance g'Sg falls by (g'Sj)^2 / (v + j'Sj).
    """
    if not candidates:
        raise ValueError("no candidates to choose from")
    for candidate in candidates:
        if not (np.isfinite(candidate.cost) and candidate.cost > 0):
            raise ValueError(f"a candidate's cost must be positive, got {candidate.cost:g}")
    slopes = _slopes(found, [candidate.at for candidate in candidates])
    goal = _slopes(found, [target])[0]
    spread = slopes @ found.covariance
    run = found.noise.variance / (found.weights.sum() / found.rows)
    now = goal @ found.covariance @ goal
    after = (spread @ goal) ** 2 / (run + np.einsum("cp,cp->c", spread, slopes))
    shares = after / now if now > 0 else np.zeros(len(candidates))
    made = [Ranked(c, float(share), float(share) / c.cost) for c, share in zip(candidates, shares, strict=True)]
    return sorted(made, key=lambda ranked: -ranked.reduction)


def _slopes(found: Fit, at: Sequence[Sequence[float]]) -> Array:
    return replace(found.problem, x=np.array(at, float)).curve(found.theta[None])[1][0]


def proposed_candidates(found: Fit, budget: float, flops_per: float = 1.0) -> list[Candidate]:
    """Candidates where none are given: from a tenth of the largest run so far to a third of the budget (or as much as
    the largest, but never more than the budget), and for L(N, D) with a quarter, the best and four times the best
    number of parameters.

    `budget` and costs are in units of `flops_per` x the product of the inputs.
    """
    most = float(found.problem.x.prod(axis=1).max()) * flops_per
    top = min(budget, max(most, budget / 3))
    costs = np.geomspace(min(most, top) / 10, top, 5)
    if len(found.form.inputs) == 1:
        return [Candidate((float(cost / flops_per),), float(cost)) for cost in costs]
    made = []
    for cost in costs:
        best = float(_best(found.theta[None], cost / flops_per)[0][0])
        made += [Candidate((best * tilt, cost / flops_per / (best * tilt)), float(cost)) for tilt in TILTS]
    return made

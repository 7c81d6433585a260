"""What to run next: the best model size and data for a budget, and the run that would narrow a prediction most."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.laws.forms import Array
from analysis.laws.intervals import percentile
from analysis.laws.predict import Prediction, predict
from analysis.laws.values import Fit, Interval, pair

TILTS = (0.25, 1.0, 4.0)  # a candidate's parameters over the best number for its compute
LARGEST = 300.0  # of the logarithm of an optimum
TOKENS = 6.0  # FLOPs per parameter and token of a dense Transformer, forward and backward


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Optimum:
    """Where the loss is least for `budget` FLOPs = `flops_per` x params x samples.

    With the budget, params grow in proportion to budget^params_exponent, samples to budget^samples_exponent.
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
    """A run that could be done: its inputs, in the order of the law's, and its cost."""

    at: tuple[float, ...]
    cost: float
    name: str = ""


@dataclass(frozen=True)
class Ranked:
    """`reduction` is the share of the prediction's variance that one run of the candidate would remove."""

    candidate: Candidate
    reduction: float
    per_cost: float


def compute_optimum(law: Fit, budget: float, flops_per: float = TOKENS) -> Optimum:
    """The compute-optimal run by the law L(N, D): Hoffmann et al. (2022), equation 4, with bootstrap intervals.

    `budget` is in FLOPs. Raises ValueError for another form of law, and for a budget or cost that is not positive.
    """
    if law.form.name != "chinchilla":
        raise ValueError(f"the {law.form.name} law has no model size: fit the chinchilla law")
    for name, value in (("budget", budget), ("FLOPs per parameter and sample", flops_per)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, got {value:g}")
    best, drawn = (_best(theta, budget / flops_per) for theta in (law.theta[None], law.draws))
    estimates = []
    for middle, many in zip(best, drawn, strict=True):
        ends = percentile(many, law.tail) if len(many) else (np.nan, np.nan)
        estimates.append(Estimate(float(middle[0]), pair(np.array(ends))))
    params, samples, params_exponent, samples_exponent = estimates
    there = predict(law, [(params.value, samples.value)])[0]
    return Optimum(budget, flops_per, params, samples, params_exponent, samples_exponent, there)


def _best(theta: Array, product: float) -> tuple[Array, Array, Array, Array]:
    """The best params and samples with a given product, and the exponents of both, (batch) each."""
    log_a, log_b, alpha, beta = theta[:, 1], theta[:, 2], theta[:, 3], theta[:, 4]
    both = alpha + beta
    log_params = (np.log(alpha / beta) + log_a - log_b + beta * np.log(product)) / both
    # a draw of the bootstrap may have hardly any exponent: its optimum is beyond what a float can hold
    params, samples = (np.exp(np.clip(logs, -LARGEST, LARGEST)) for logs in (log_params, np.log(product) - log_params))
    return params, samples, beta / both, alpha / both


def rank_candidates(law: Fit, candidates: Sequence[Candidate], target: Sequence[float]) -> list[Ranked]:
    """Candidates by how much one run of each would narrow the prediction at `target`, the best first.

    With S the linearised covariance of the constants, g the slopes at the target, j those at the candidate and v the
    variance of a run, the prediction's variance g'Sg falls by (g'Sj)^2 / (v + j'Sj). Raises ValueError without
    candidates, and for a cost that is not positive.
    """
    if not candidates:
        raise ValueError("no candidates to choose from: give at least one run")
    for candidate in candidates:
        if not (np.isfinite(candidate.cost) and candidate.cost > 0):
            raise ValueError(f"a candidate's cost must be positive, got {candidate.cost:g}")
    slopes = _slopes(law, [candidate.at for candidate in candidates])
    goal = _slopes(law, [target])[0]
    spread = slopes @ law.covariance
    # the noise is that of weight 1, and a run has the mean weight of the rows
    run = law.noise.variance / (law.weights.sum() / law.rows)
    current = goal @ law.covariance @ goal
    falls = (spread @ goal) ** 2 / (run + np.einsum("cp,cp->c", spread, slopes))
    shares = falls / current if current > 0 else np.zeros(len(candidates))
    ranked = [Ranked(c, float(share), float(share) / c.cost) for c, share in zip(candidates, shares, strict=True)]
    return sorted(ranked, key=lambda one: -one.reduction)


def _slopes(law: Fit, at: Sequence[Sequence[float]]) -> Array:
    """The slopes (points, constants) of the law by its constants, at some inputs."""
    slopes: Array = replace(law.problem, x=np.array(at, float)).curve(law.theta[None])[1][0]
    return slopes


def proposed_candidates(law: Fit, budget: float, flops_per: float = 1.0) -> list[Candidate]:
    """A grid of candidates, where none are given.

    Costs go from a tenth of the largest run so far to a third of the budget (or to the largest run, but never above the
    budget). For L(N, D), each comes with a quarter of, the best, and four times the best number of parameters. `budget`
    and costs are in units of `flops_per` x the product of the inputs.
    """
    most = float(law.problem.x.prod(axis=1).max()) * flops_per
    top = min(budget, max(most, budget / 3))
    costs = np.geomspace(min(most, top) / 10, top, 5)
    if len(law.form.inputs) == 1:
        return [Candidate((float(cost / flops_per),), float(cost)) for cost in costs]
    candidates = []
    for cost in costs:
        best = float(_best(law.theta[None], cost / flops_per)[0][0])
        candidates += [Candidate((best * tilt, cost / flops_per / (best * tilt)), float(cost)) for tilt in TILTS]
    return candidates

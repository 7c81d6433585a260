"""What a fitted law predicts, with intervals, and whether that is an interpolation or an extrapolation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis.laws import checks
from analysis.laws.forms import Array
from analysis.laws.intervals import percentile
from analysis.laws.values import Fit, Interval, pair


@dataclass(frozen=True)
class Prediction:
    """The `value` of the law, its interval, and the wider interval of a single new run.

    An extrapolation lies outside the fitted inputs, or outside their products, by `factor`; an interpolation has 1.
    """

    at: tuple[tuple[str, float], ...]
    value: float
    interval: Interval
    run_interval: Interval
    kind: Literal["interpolation", "extrapolation"]
    factor: float


def predict(law: Fit, at: Sequence[Sequence[float]]) -> list[Prediction]:
    """The law at some places, each one number per input of the form. Raises ValueError for one that is not positive."""
    x = checked_inputs(law.form.inputs, at)
    values, draws = curves(law, x)
    objective = law.problem.objective
    runs = draws + residual_draws(law, draws.shape)
    predictions = []
    for i, place in enumerate(x):
        factor = checks.beyond(law.problem.x, place)
        (low, high), (least, most) = percentile(draws[:, i], law.tail), percentile(runs[:, i], law.tail)
        predictions.append(
            Prediction(
                at=tuple(zip(law.form.inputs, map(float, place), strict=True)),
                value=float(objective.off_scale(values[i])),
                interval=pair(objective.off_scale(np.array([low, high]))),
                # never narrower than the law's own interval, whatever the draws
                run_interval=pair(objective.off_scale(np.array([min(low, least), max(high, most)]))),
                kind="extrapolation" if factor > 1 else "interpolation",
                factor=factor,
            )
        )
    return predictions


def checked_inputs(names: Sequence[str], at: Sequence[Sequence[float]]) -> Array:
    """The places to predict at (points, inputs). Raises ValueError for a wrong count of numbers or one not positive."""
    for place in at:
        if len(place) != len(names):
            raise ValueError(f"a prediction needs {' and '.join(names)}: {len(names)} numbers, got {len(place)}")
        if not all(np.isfinite(value) and value > 0 for value in place):
            raise ValueError(f"a prediction needs positive {' and '.join(names)}, got {', '.join(map(str, place))}")
    return np.array(at, float).reshape(len(at), len(names))


def curves(law: Fit, x: Array) -> tuple[Array, Array]:
    """The law at x on the objective's scale: the best fit (points) and each bootstrap draw (samples, points).

    Without a bootstrap, 1000 normal draws by the linearised covariance take its place.
    """
    there = replace(law.problem, x=x)
    thetas = law.draws
    if not len(thetas):
        # svd: the covariance is singular where a constant is fixed
        normal = np.random.default_rng(law.method.seed).multivariate_normal(
            law.theta, law.covariance, size=1000, method="svd"
        )
        # normal draws know no limits, the law does
        thetas = np.clip(normal, law.problem.low, law.problem.high)
    return there.curve(law.theta[None])[0][0], there.curve(thetas)[0]


def residual_draws(law: Fit, shape: tuple[int, ...]) -> Array:
    """Residuals drawn at random, with random signs: the scatter of single runs around the law."""
    # another stream than the bootstrap's, so that scatter and draws are independent
    rng = np.random.default_rng(law.method.seed + 1)
    residual = law.problem.t - law.problem.curve(law.theta[None])[0][0]
    free = sum(not constant.fixed for constant in law.constants)
    # a fit with many constants passes too close to its own points: undo that by the degrees of freedom
    residual = residual * np.sqrt(len(residual) / max(len(residual) - free, 1))
    noise: Array = rng.choice(residual, size=shape) * rng.choice([-1.0, 1.0], size=shape)
    return noise

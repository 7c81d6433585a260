"""What a fitted law predicts, with intervals, and whether that is an interpolation."""

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
    """`value` of the law with the interval of the law, and the wider one of a single new run.

    An extrapolation lies beyond the fitted inputs, or beyond their product, by `factor`; an interpolation has 1.
    """

    at: tuple[tuple[str, float], ...]
    value: float
    interval: Interval
    run_interval: Interval
    kind: Literal["interpolation", "extrapolation"]
    factor: float


def predict(found: Fit, at: Sequence[Sequence[float]]) -> list[Prediction]:
    """The law at some inputs, each with one number an input of the form. Raises ValueError for what is not positive."""
    x = wanted(found.form.inputs, at)
    values, draws = curves(found, x)
    objective = found.problem.objective
    runs = draws + scattered(found, draws.shape)
    made = []
    for i, place in enumerate(x):
        factor = checks.beyond(found.problem.x, place)
        (low, high), (least, most) = percentile(draws[:, i], found.tail), percentile(runs[:, i], found.tail)
        made.append(
            Prediction(
                at=tuple(zip(found.form.inputs, map(float, place), strict=True)),
                value=float(objective.off_scale(values[i])),
                interval=pair(objective.off_scale(np.array([low, high]))),
                run_interval=pair(objective.off_scale(np.array([min(low, least), max(high, most)]))),
                kind="extrapolation" if factor > 1 else "interpolation",
                factor=factor,
            )
        )
    return made


def wanted(names: Sequence[str], at: Sequence[Sequence[float]]) -> Array:
    """Inputs to predict at (points, inputs). Raises ValueError where one has too few numbers or is not positive."""
    for place in at:
        if len(place) != len(names):
            raise ValueError(f"a prediction needs {' and '.join(names)}: {len(names)} numbers, got {len(place)}")
        if not all(np.isfinite(value) and value > 0 for value in place):
            raise ValueError(f"a prediction needs positive {' and '.join(names)}, got {', '.join(map(str, place))}")
    return np.array(at, float).reshape(len(at), len(names))


def curves(found: Fit, x: Array) -> tuple[Array, Array]:
    """The law at x on the objective's scale, (points), and of each bootstrap draw (samples, points).

    Without a bootstrap, 1000 normal draws by the linearised covariance take its place.
    """
    there = replace(found.problem, x=x)
    thetas = found.draws
    if not len(thetas):
        normal = np.random.default_rng(found.method.seed).multivariate_normal(
            found.theta, found.covariance, size=1000, method="svd"
        )
        thetas = np.clip(normal, found.problem.low, found.problem.high)
    return there.curve(found.theta[None])[0][0], there.curve(thetas)[0]


def scattered(found: Fit, shape: tuple[int, ...]) -> Array:
    """Residuals drawn at random, made larger by the degrees of freedom that the fit took, each sign as likely."""
    rng = np.random.default_rng(found.method.seed + 1)
    residual = found.problem.t - found.problem.curve(found.theta[None])[0][0]
    free = sum(not constant.fixed for constant in found.constants)
    residual = residual * np.sqrt(len(residual) / max(len(residual) - free, 1))
    return rng.choice(residual, size=shape) * rng.choice([-1.0, 1.0], size=shape)

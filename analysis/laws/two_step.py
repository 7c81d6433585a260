"""From compute to loss to accuracy: a law of the loss, then accuracy as a sigmoid of the loss.

The second step is that of Bhagia et al. (2024), 'Establishing task scaling laws via compute-efficient model ladders'.
The bootstrap draws both steps together, so that predictions have the uncertainty of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from analysis.laws import checks
from analysis.laws.fit import fit_points, form_named, solution
from analysis.laws.forms import SIGMOID, Array, Form
from analysis.laws.intervals import percentile, resampled
from analysis.laws.points import Points, averaged_points
from analysis.laws.predict import Prediction, checked_inputs, curves, residual_draws
from analysis.laws.solve import Objective
from analysis.laws.values import Fit, Method, TooFew


@dataclass(frozen=True, eq=False)
class TwoStep:
    """A law of the loss, and a law of the accuracy by the loss. `held_out` checks the accuracy through both steps."""

    loss: Fit
    accuracy: Fit
    held_out: checks.HeldOut | None


def fit_two_step(
    inputs: Mapping[str, Any],
    loss: Any,
    accuracy: Any,
    method: Method | None = None,
    *,
    form: str | Form = "power",
    configuration: Sequence[Any] | None = None,
    weights: Any = None,
) -> TwoStep | TooFew:
    """Fit both steps to rows; `form` is the law of the loss, and `method.on` the scale of its residuals.

    Accuracies are fitted as they are. Constants of either step can be fixed, such as `floor` at chance. Raises
    ValueError where `fit` does, and for an accuracy outside [0, 1].
    """
    method, form = method or Method(), form_named(form)
    losses, tops = (np.array([np.nan if v is None else v for v in values], float) for values in (loss, accuracy))
    outside = tops[np.isfinite(tops) & ((tops < 0) | (tops > 1))]
    if outside.size:
        raise ValueError(f"accuracy {outside[0]:g} is no fraction between 0 and 1: divide percent by 100")
    first_method, second_method = _methods(method, form)
    first, second = first_method.objective(losses), second_method.objective(tops)
    known = np.isfinite(tops)
    given = {name: np.asarray(inputs[name], object) for name in form.inputs}
    keys = None if configuration is None else list(configuration)
    # only rows that have both, so that the points of the two steps are the same configurations in the same order
    both = np.where(known, losses, np.nan)
    rows = partial(averaged_points, given, configuration=keys, weights=weights, most=first_method.most)
    data = rows(both, first, named="loss with an accuracy")
    judged = rows(np.where(np.isfinite(both), tops, np.nan), second)
    # the second step is fitted to measured losses, not to those that the first one gives
    judged = replace(judged, x=first.off_scale(data.t)[:, None], notes=())
    return _fit(form, data, judged, (first_method, second_method), (first, second))


def _methods(method: Method, form: Form) -> tuple[Method, Method]:
    """The method of each step, with the constants that are fixed there. A given delta applies to the loss only."""
    unknown = [name for name, _ in method.fixed if name not in (*form.constants, *SIGMOID.constants)]
    if unknown:
        raise ValueError(f"no constant {unknown[0]!r}; there are {', '.join((*form.constants, *SIGMOID.constants))}")
    of_loss = tuple(pair for pair in method.fixed if pair[0] in form.constants)
    of_top = tuple(pair for pair in method.fixed if pair[0] in SIGMOID.constants)
    return replace(method, fixed=of_loss), replace(method, fixed=of_top, on="value", delta=None)


def _fit(
    form: Form,
    data: Points,
    judged: Points,
    methods: tuple[Method, Method],
    objectives: tuple[Objective, Objective],
) -> TwoStep | TooFew:
    # the same samples for both steps, so they must do for the one with more constants
    constants = max(len(form.constants), len(SIGMOID.constants))
    draws = resampled(len(data.t), methods[0].bootstrap, methods[0].seed, constants) if len(data.t) else None
    first = fit_points(form, data, methods[0], objectives[0], draws)
    if isinstance(first, TooFew):
        return replace(first, form="two-step")
    second = fit_points(SIGMOID, judged, methods[1], objectives[1], draws)
    if isinstance(second, TooFew):
        return replace(second, form="two-step", notes=data.notes)
    return TwoStep(first, second, _held_out(form, data, judged, methods, objectives))


def _held_out(
    form: Form,
    data: Points,
    judged: Points,
    methods: tuple[Method, Method],
    objectives: tuple[Objective, Objective],
) -> checks.HeldOut | None:
    kept = checks.rungs_fitted(data.x, methods[0].held_out)
    if kept.all():
        return None
    first = solution(form, data.take(kept), methods[0], objectives[0])
    second = solution(SIGMOID, judged.take(kept), methods[1], objectives[1])
    if isinstance(first, TooFew) or isinstance(second, TooFew):
        return None
    losses = objectives[0].off_scale(replace(first.problem, x=data.x[~kept]).curve(first.theta[None])[0][0])
    tops = replace(second.problem, x=losses[:, None]).curve(second.theta[None])[0][0]
    return checks.held_out(data, kept, tops, judged.t)


def predict_two_step(law: TwoStep, at: Sequence[Sequence[float]]) -> list[Prediction]:
    """Accuracies at some inputs of the loss's law. Raises ValueError where `predict` does."""
    x = checked_inputs(law.loss.form.inputs, at)
    logs, drawn = curves(law.loss, x)
    off = law.loss.problem.objective.off_scale
    value = _accuracies(law, off(logs)[None], law.accuracy.theta[None])[0]
    thetas = _thetas(law.accuracy)
    laws = _accuracies(law, off(drawn), thetas)
    runs = _accuracies(law, off(drawn + residual_draws(law.loss, drawn.shape)), thetas)
    runs = np.clip(runs + residual_draws(law.accuracy, runs.shape), 0, 1)
    tail = min(law.loss.tail, law.accuracy.tail)  # of the step with the wider interval
    predictions = []
    for i, place in enumerate(x):
        factor = checks.beyond(law.loss.problem.x, place)
        (low, high), (least, most) = (map(float, percentile(part[:, i], tail)) for part in (laws, runs))
        names = tuple(zip(law.loss.form.inputs, map(float, place), strict=True))
        kind = "extrapolation" if factor > 1 else "interpolation"
        predictions.append(Prediction(names, float(value[i]), (low, high), (least, most), kind, factor))  # type: ignore[arg-type]
    return predictions


def _thetas(step: Fit) -> Array:
    """The bootstrap's draws of theta (samples, constants); without a bootstrap, the best theta, repeated."""
    return step.draws if len(step.draws) else np.tile(step.theta, (1000, 1))  # as many as `curves` draws


def _accuracies(law: TwoStep, losses: Array, thetas: Array) -> Array:
    """The accuracy (draws, points) that each draw's sigmoid gives at its own `losses` (draws, points)."""
    curve = law.accuracy.form.curve
    return np.stack([curve(theta[None], row[:, None])[0][0] for theta, row in zip(thetas, losses, strict=True)])

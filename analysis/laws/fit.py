"""Fitting a law to rows: its constants with intervals, and the checks that say how far it can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.stats import t as student

from analysis.laws import checks
from analysis.laws.forms import FORMS, Array, Form
from analysis.laws.intervals import SPARE, bootstrap, covariance, expanded, noise, percentile, profile, resampled
from analysis.laws.points import Points, averaged_points
from analysis.laws.solve import Objective, Problem, minimum, projected, solve
from analysis.laws.values import MANY, Constant, Fit, Interval, Method, TooFew, pair

STARTS = 12  # the best points of the grid, from each of which a local minimum is searched


def fit(
    form: str | Form,
    inputs: Mapping[str, Any],
    y: Any,
    method: Method | None = None,
    *,
    configuration: Sequence[Any] | None = None,
    weights: Any = None,
    named: str = "loss",
) -> Fit | TooFew:
    """Fit a law of `forms.FORMS` to rows: `inputs` are its columns by name, `y` the loss or error to fit.

    Rows of one configuration (its seeds) are averaged, and resampled together; without `configuration`, rows with equal
    inputs are one. Raises ValueError for an unknown form, constant or column, and where `averaged_points` does.
    """
    method = method or Method()
    form = form_named(form)
    missing = set(form.inputs) - set(inputs)
    if missing:
        raise ValueError(
            f"the {form.name} law needs {' and '.join(form.inputs)}; missing: {', '.join(sorted(missing))}"
        )
    target = np.array([np.nan if value is None else value for value in y], float)
    given = {name: inputs[name] for name in form.inputs}
    objective = method.objective(target)
    data = averaged_points(
        given, target, objective, configuration=configuration, weights=weights, named=named, most=method.most
    )
    return fit_points(form, data, method, objective)


def form_named(form: str | Form) -> Form:
    """The form of that name. Raises ValueError for an unknown one."""
    if isinstance(form, str) and form not in FORMS:
        raise ValueError(f"no law {form!r}; there are {', '.join(FORMS)}")
    return FORMS[form] if isinstance(form, str) else form


@dataclass(frozen=True, eq=False)
class Solution:
    """The best theta for some points, its cost, the starts of the search, and which constants are free."""

    problem: Problem
    theta: Array
    cost: float
    starts: Array
    free: Array

    @property
    def count(self) -> int:
        """The number of free constants."""
        return int(self.free.sum())

    @property
    def residual(self) -> Array:
        """(points) on the objective's scale."""
        residual: Array = self.problem.t - self.problem.curve(self.theta[None])[0][0]
        return residual


def solution(form: Form, data: Points, method: Method, objective: Objective) -> Solution | TooFew:
    """The best constants, without intervals or checks."""
    low, high = _limits(form, data.x, method) if len(data.x) else (np.zeros(0), np.zeros(0))
    # a fixed constant has equal limits
    free = high > low
    lacking = too_few(form, data, int(free.sum()))
    if lacking:
        return lacking
    problem = Problem(form, objective, data.x, data.t, low, high)
    starts = projected(problem, data.weight)
    theta, cost = minimum(problem, data.weight, starts[:STARTS])
    return Solution(problem, theta, cost, starts, free)


def fit_points(
    form: Form, data: Points, method: Method, objective: Objective, draws: Array | None = None
) -> Fit | TooFew:
    """`fit` to points; `draws` (samples, points) are the bootstrap's samples, by default drawn here."""
    best = solution(form, data, method, objective)
    if isinstance(best, TooFew):
        return best
    problem, weights, theta, count = best.problem, data.weight, best.theta, len(data.t)
    scatter = noise(problem, weights, theta, best.count)
    # the chi-square limit for one constant, with Student's t instead of the normal: there are few configurations
    quantile = student.ppf((1 + method.level) / 2, max(count - best.count, 1))
    ends = profile(problem, weights, theta, best.cost, best.free, scatter.per_cost * quantile**2 / 2)
    draws = resampled(count, method.bootstrap, method.seed, best.count) if draws is None else draws
    thetas = bootstrap(problem, weights, draws, theta, best.starts)
    tail, by = expanded(method.level, count, best.count), _counts(method, count, best.count)
    constants = _constants(form, theta, thetas, ends, best.free, tail, by)
    squares = float((weights * best.residual**2).sum() / weights.sum())
    return Fit(
        form=form,
        method=method,
        constants=constants,
        rows=int(data.rows.sum()),
        configurations=count,
        interval_by=by,
        ranges=tuple((name, *_ends(data.x[:, i])) for i, name in enumerate(form.inputs)),
        scatter=float(np.sqrt(squares * count / max(count - best.count, 1))),
        held_out=_held_out(form, data, method, objective),
        lack_of_fit=checks.lack_of_fit(data, best.residual, _least_squares(best, weights), best.count, form.inputs),
        notes=(*data.notes, *_notes(constants, problem, theta)),
        problem=problem,
        weights=weights,
        theta=theta,
        draws=thetas,
        covariance=covariance(problem, weights, theta, best.free, scatter),
        noise=scatter,
    )


def _least_squares(best: Solution, weights: Array) -> Array:
    """The residuals (points) of the least squares fit near the best one: the F-test is valid only for those."""
    problem = replace(best.problem, objective=replace(best.problem.objective, delta=np.inf))
    theta, _ = solve(problem, weights[None], best.theta[None])
    residual: Array = problem.t - problem.curve(theta)[0][0]
    return residual


def too_few(form: Form, data: Points, free: int) -> TooFew | None:
    """What is lacking for a fit: configurations, or distinct values of an input; None if there are enough."""
    needs = max(free, 1) + SPARE if len(data.x) else len(form.constants) + SPARE
    if len(data.t) < needs:
        return TooFew(form.name, needs, len(data.t), "configurations", data.notes)
    values = len(np.unique(data.t))
    if values < 3:
        return TooFew(form.name, 3, values, "values to fit", data.notes)
    distinct = [len(np.unique(data.x[:, i])) for i in range(data.x.shape[1])]
    if len(distinct) == 1 and distinct[0] < needs:
        return TooFew(form.name, needs, distinct[0], f"values of {form.inputs[0]}", data.notes)
    for name, count in zip(form.inputs, distinct, strict=True):
        if count < 3:
            return TooFew(form.name, 3, count, f"values of {name}", data.notes)
    if len(distinct) == 2:
        # with samples in proportion to params, their two terms cannot be told apart
        ratios = len(np.unique(np.round(np.log(data.x[:, 1] / data.x[:, 0]), 6)))
        if ratios < 3:
            counted = f"ratios of {form.inputs[1]} to {form.inputs[0]}"
            return TooFew(form.name, 3, ratios, counted, data.notes)
    return None


def _limits(form: Form, x: Array, method: Method) -> tuple[Array, Array]:
    """The limits of theta; both limits of a fixed constant are its value."""
    low, high = (np.array(part, float) for part in form.bounds(x))
    for name, value in method.fixed:
        if name not in form.constants:
            raise ValueError(f"the {form.name} law has no constant {name!r}; it has {', '.join(form.constants)}")
        place = form.constants.index(name)
        if form.logs[place] and not value > 0:
            raise ValueError(f"{name} must be positive, got {value:g}")
        low[place] = high[place] = np.log(value) if form.logs[place] else value
    return low, high


def _ends(values: Array) -> Interval:
    return float(values.min()), float(values.max())


def _counts(method: Method, count: int, free: int) -> Literal["bootstrap", "profile"]:
    """The kind of interval that is reported."""
    if method.interval != "auto":
        return method.interval if method.bootstrap else "profile"
    return "bootstrap" if method.bootstrap and count >= MANY * free else "profile"


def _constants(
    form: Form, theta: Array, thetas: Array, ends: Array, free: Array, tail: float, by: str
) -> tuple[Constant, ...]:
    natural, profiles = form.natural(theta), form.natural(ends.T).T
    drawn = np.stack(percentile(form.natural(thetas), tail), axis=1) if len(thetas) else profiles
    counting = drawn if by == "bootstrap" else profiles
    return tuple(
        Constant(name, float(natural[i]), pair(counting[i]), pair(drawn[i]), pair(profiles[i]), not free[i])
        for i, name in enumerate(form.constants)
    )


def _notes(constants: tuple[Constant, ...], problem: Problem, theta: Array) -> list[str]:
    """Constants at a limit of the search, and those that the points do not determine."""
    low, high = problem.form.natural(problem.low), problem.form.natural(problem.high)
    notes = []
    for i, constant in enumerate(constants):
        if constant.fixed:
            continue
        if theta[i] in (problem.low[i], problem.high[i]):
            notes.append(f"{constant.name} is at the limit of its search, {constant.value:.4g}")
        below, above = np.isclose(constant.interval, (low[i], high[i]), rtol=1e-6, atol=0)
        if below and above:
            notes.append(f"the points do not determine {constant.name}: its interval reaches both limits of the search")
        elif above and np.isfinite(high[i]):
            notes.append(f"the points give {constant.name} no upper end: its interval reaches the limit of the search")
    return notes


def _held_out(form: Form, data: Points, method: Method, objective: Objective) -> checks.HeldOut | None:
    """The check on the largest rungs; None where too few configurations would be left to fit."""
    kept = checks.rungs_fitted(data.x, method.held_out)
    if kept.all():
        return None
    # the constants alone: the check needs no intervals, which take bootstrap and profile
    best = solution(form, data.take(kept), method, objective)
    if isinstance(best, TooFew):
        return None
    predicted = replace(best.problem, x=data.x[~kept]).curve(best.theta[None])[0][0]
    return checks.held_out(data, kept, objective.off_scale(predicted), objective.off_scale(data.t))

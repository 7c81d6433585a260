"""From rows to the points of a fit: unusable rows are left out and counted, the seeds of a configuration averaged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.laws.forms import Array
from analysis.laws.solve import Objective


@dataclass(frozen=True, eq=False)
class Points:
    """One point per configuration, in order of the product of its inputs (compute, up to a factor).

    `x` (points, inputs) are the inputs, `t` (points) the means of y on the objective's scale, `weight` (points) the
    sums of the rows' weights, and `rows` (points) their numbers. `pure` is the pure error: the weighted sum of squares
    of rows around their configuration's mean, with `pure_freedom` degrees of freedom.
    """

    x: Array
    t: Array
    weight: Array
    rows: Array
    pure: float
    pure_freedom: int
    notes: tuple[str, ...]

    def take(self, chosen: Array) -> "Points":
        """The chosen points; the pure error remains that of all."""
        x, t, weight, rows = self.x[chosen], self.t[chosen], self.weight[chosen], self.rows[chosen]
        return replace(self, x=x, t=t, weight=weight, rows=rows, notes=())


def averaged_points(
    inputs: Mapping[str, Any],
    y: Any,
    objective: Objective,
    *,
    configuration: Sequence[Any] | None = None,
    weights: Any = None,
    named: str = "loss",
    most: int | None = None,
) -> Points:
    """The rows of each configuration as one point. Without `configuration`, rows with equal inputs are one.

    Rows that lack a number or have an input that is not positive are left out, and so are configurations beyond
    `most`; notes say how many. `named` is what the notes call y. Raises ValueError where lengths differ, a weight is
    negative, or y has no logarithm although the objective is on the log.
    """
    x, target = np.stack([_numbers(values) for values in inputs.values()], axis=1), _numbers(y)
    weight = np.ones(len(target)) if weights is None else _numbers(weights)
    if not len(x) == len(target) == len(weight):
        raise ValueError(f"columns differ in length: {len(x)}, {len(target)} and {len(weight)} rows")
    if (weight < 0).any():
        raise ValueError(f"a weight is negative: {weight.min():g}; weights are at least 0")
    wrong = _wrong(dict(zip(inputs, x.T, strict=True)), target, weight, named)
    kept = np.array([text is None for text in wrong], bool)
    if objective.scale == "log" and (target[kept] <= 0).any():
        bad = target[kept][target[kept] <= 0][0]
        raise ValueError(f"{named} {bad:g} has no logarithm: leave its row out, or fit on the value")
    keys = [tuple(row) for row in x] if configuration is None else list(configuration)
    places: dict[Any, list[int]] = {}
    for row in np.flatnonzero(kept):
        places.setdefault(keys[row], []).append(int(row))
    notes = tuple(
        f"{count} {'row' if count == 1 else 'rows'} left out: {text}"
        for text, count in Counter(text for text in wrong if text).items()
    )
    chosen = _fewer(list(places.values()), x, most)
    if len(chosen) < len(places):
        notes += (f"{len(chosen):,} of {len(places):,} configurations fitted, evenly spread over their order by size",)
    # rows that are left out get a 1, which has a logarithm; none of them is in `chosen`
    return _averaged(x, objective.on_scale(np.where(kept, target, 1.0)), weight, chosen, notes)


def _fewer(places: list[list[int]], x: Array, most: int | None) -> list[list[int]]:
    """At most `most` configurations, evenly spread over the order of their inputs' product."""
    if most is None or len(places) <= most:
        return places
    # a sum of logarithms: the product of many inputs could overflow
    size = np.log(x[[rows[0] for rows in places]]).sum(axis=1)
    spread = np.linspace(0, len(places) - 1, most).round().astype(int)
    return [places[i] for i in np.argsort(size, kind="stable")[spread]]


def _averaged(x: Array, t: Array, weight: Array, places: list[list[int]], notes: tuple[str, ...]) -> Points:
    total = np.array([weight[rows].sum() for rows in places])
    mean = np.array([np.average(t[rows], weights=weight[rows]) for rows in places])
    # inputs of one configuration may differ a little (measured compute): their geometric mean counts
    middle = np.array([np.exp(np.log(x[rows]).mean(axis=0)) for rows in places]).reshape(len(places), x.shape[1])
    exact = np.array([x[rows[0]] for rows in places]).reshape(middle.shape)
    middle = np.where(np.isclose(middle, exact, rtol=1e-12, atol=0), exact, middle)  # equal inputs stay exactly equal
    pure = sum(float((weight[rows] * (t[rows] - centre) ** 2).sum()) for rows, centre in zip(places, mean, strict=True))
    count = np.array([len(rows) for rows in places], float)
    # equal sizes in the order of their inputs, so that the order of the rows changes no digit
    order = np.lexsort((*middle.T[::-1], np.log(middle).sum(axis=1))) if len(places) else np.zeros(0, int)
    freedom = int(count.sum()) - len(places)
    return Points(middle[order], mean[order], total[order], count[order], pure, freedom, notes)


def _numbers(values: Any) -> Array:
    return np.array([np.nan if value is None else value for value in values], float).reshape(-1)


def _wrong(inputs: Mapping[str, Array], y: Array, weight: Array, named: str) -> list[str | None]:
    """Why each row cannot be used; None for those that can."""
    reasons: list[str | None] = [None] * len(y)
    for row in range(len(y)):
        for name, values in inputs.items():
            if not np.isfinite(values[row]):
                reasons[row] = reasons[row] or f"no finite {name}"
            elif values[row] <= 0:
                reasons[row] = reasons[row] or f"{name} is not positive"
        if not np.isfinite(y[row]):
            reasons[row] = reasons[row] or f"no finite {named}"
        elif not weight[row] > 0:
            reasons[row] = reasons[row] or "its weight is zero or missing"
    return reasons

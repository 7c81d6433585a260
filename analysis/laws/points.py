"""From rows to the points of a fit: what cannot be used is left out and named, seeds of a configuration averaged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.laws.forms import Array
from analysis.laws.solve import Objective


@dataclass(frozen=True, eq=False)
class Points:
    """One point a configuration, in order of its inputs' product (of compute, as far as the inputs tell).

    `x` (points, inputs), `t` (points) the mean of y on the objective's scale, `weight` the sum over the rows,
    `rows` their number, `pure` the weighted sum of squares around the means, with `pure_freedom` degrees of freedom.
    """

    x: Array
    t: Array
    weight: Array
    rows: Array
    pure: float
    pure_freedom: int
    notes: tuple[str, ...]

    def take(self, chosen: Array) -> "Points":
        """Some of the points; the pure error stays that of all."""
        x, t, weight, rows = self.x[chosen], self.t[chosen], self.weight[chosen], self.rows[chosen]
        return replace(self, x=x, t=t, weight=weight, rows=rows, notes=())


def points(
    inputs: Mapping[str, Any],
    y: Any,
    objective: Objective,
    *,
    configuration: Sequence[Any] | None = None,
    weights: Any = None,
    named: str = "loss",
    most: int | None = None,
) -> Points:
    """Rows as points. Without `configuration`, rows with the same inputs are one configuration.

    Left out, with a note: rows that lack a number or whose input is not positive, and configurations beyond `most`.
    Raises ValueError where lengths differ, a weight is negative, or y has no logarithm and one is wanted.
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
    return _averaged(x, objective.on_scale(np.where(kept, target, 1.0)), weight, chosen, notes)


def _fewer(places: list[list[int]], x: Array, most: int | None) -> list[list[int]]:
    """Of more than `most` configurations so many, evenly spread over the order of their inputs' product."""
    if most is None or len(places) <= most:
        return places
    size = np.log(x[[rows[0] for rows in places]]).sum(axis=1)
    spread = np.linspace(0, len(places) - 1, most).round().astype(int)
    return [places[i] for i in np.argsort(size, kind="stable")[spread]]


def _averaged(x: Array, t: Array, weight: Array, places: list[list[int]], notes: tuple[str, ...]) -> Points:
    total = np.array([weight[rows].sum() for rows in places])
    mean = np.array([np.average(t[rows], weights=weight[rows]) for rows in places])
    middle = np.array([np.exp(np.log(x[rows]).mean(axis=0)) for rows in places]).reshape(len(places), x.shape[1])
    exact = np.array([x[rows[0]] for rows in places]).reshape(middle.shape)
    middle = np.where(np.isclose(middle, exact, rtol=1e-12, atol=0), exact, middle)  # no rounding of equal inputs
    pure = sum(float((weight[rows] * (t[rows] - centre) ** 2).sum()) for rows, centre in zip(places, mean, strict=True))
    count = np.array([len(rows) for rows in places], float)
    order = np.lexsort((*middle.T[::-1], np.log(middle).sum(axis=1))) if len(places) else np.zeros(0, int)
    freedom = int(count.sum()) - len(places)
    return Points(middle[order], mean[order], total[order], count[order], pure, freedom, notes)


def _numbers(values: Any) -> Array:
    made = np.array([np.nan if value is None else value for value in values], float)
    return made.reshape(-1)


def _wrong(inputs: Mapping[str, Array], y: Array, weight: Array, named: str) -> list[str | None]:
    """Why each row cannot be used, None where it can."""
    found: list[str | None] = [None] * len(y)
    for row in range(len(y)):
        for name, values in inputs.items():
            if not np.isfinite(values[row]):
                found[row] = found[row] or f"no finite {name}"
            elif values[row] <= 0:
                found[row] = found[row] or f"{name} is not positive"
        if not np.isfinite(y[row]):
            found[row] = found[row] or f"no finite {named}"
        elif not weight[row] > 0:
            found[row] = found[row] or "its weight is zero or missing"
    return found

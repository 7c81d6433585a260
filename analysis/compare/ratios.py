"""How much compute one family of models needs for the accuracy of another (Dosovitskiy et al. 2021, §4.4, Figure 5).

Family B's Pareto frontier is read as accuracy linear in log(compute) between its points. For a point of family A, the
compute ratio is B's compute at that accuracy over the point's own: above 1, A needs less. Between the ends of B's
frontier it is `interior`; outside it is `beyond` or `below` the range, where only a bound is known, and the value of
the frontier's last or first segment drawn on is an extrapolation, always in a column of its own.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from analysis.compare.frontier import frontier, mean_over_tasks
from analysis.rows import MEAN

MANY = 5000  # points: of more, each one's ratio tells nobody anything
INTERIOR, BEYOND, BELOW = "interior", "beyond", "below"
PAPER_TASKS = (  # the five data sets of Figure 5 and Table 7's average; each by the names it is known by
    *({"imagenet", "imagenet1k", "ilsvrc2012"}, {"cifar10"}, {"cifar100"}),
    *({"pets", "pet", "oxfordiiitpet", "oxfordiiitpets"}, {"flowers", "flowers102", "oxfordflowers102"}),
)
POINT = {
    **{"run_id": pl.String, "name": pl.String, "family": pl.String, "epochs": pl.Float64, "seeds": pl.UInt32},
    **{"exaflops": pl.Float64, "top1_mean": pl.Float64, "top1_std": pl.Float64, "on_family_frontier": pl.Boolean},
    **{"where": pl.String, "ratio": pl.Float64, "ratio_low": pl.Float64, "ratio_high": pl.Float64},
    **{"bound": pl.Float64, "ratio_extrapolated": pl.Float64, "gain": pl.Float64, "gain_extrapolated": pl.Float64},
}
DOUBLING = {
    **{"family": pl.String, "name": pl.String, "next_name": pl.String},
    **{"exaflops": pl.Float64, "next_exaflops": pl.Float64, "top1_mean": pl.Float64, "next_top1_mean": pl.Float64},
    **{"gain_per_doubling": pl.Float64, "error_cut_per_doubling": pl.Float64},
}


def points(accuracies: pl.DataFrame, tasks: list[str]) -> pl.DataFrame:
    """The points that can be compared: pre-trained models with every one of `tasks`, their mean accuracy over these
    (fraction; `frontier.averaged`) and compute `exaflops` above 0 (valid taps), on their frontiers marked. Of more than
    `MANY` only those on their family's frontier.

    Raises ValueError for a task that the rows do not have.
    """
    usable = pl.col("pretrained") & pl.col("exaflops_valid").is_finite() & (pl.col("exaflops_valid") > 0)
    known = mean_over_tasks(accuracies, tasks).filter(usable)
    marked = frontier(known)
    if marked.height > MANY:
        marked = marked.filter("on_family_frontier")
    return marked.with_columns(exaflops="exaflops_valid").sort("family", "exaflops", "name", "run_id")


def compared(known: pl.DataFrame, of: str, against: str) -> pl.DataFrame:
    """Each point of family `of` beside the frontier of family `against`: one row a point, columns `POINT`.

    `ratio` is that of an interior point, `ratio_low` and `ratio_high` it with one standard error of the seeds' means on
    both sides (first order; null when a seed is alone). `bound` holds outside: the ratio of a point `beyond` is above
    it, of one `below` under it. `gain` is the point's accuracy less B's at equal compute (fraction), null outside B's
    range of compute.
    """
    line = _line(known, against)
    made = [_beside(row, line) for row in known.filter(family=of).to_dicts()] if line.height else []
    return pl.DataFrame(made, schema=POINT)


def _line(known: pl.DataFrame, family: str) -> pl.DataFrame:
    """A family's frontier as a line: rising in compute and accuracy, one point where several stand together."""
    own = known.filter(pl.col("on_family_frontier"), family=family)
    return own.unique("exaflops", keep="first", maintain_order=True).sort("exaflops")


def _beside(row: dict[str, Any], line: pl.DataFrame) -> dict[str, Any]:
    cost, top1 = np.log(line["exaflops"].to_numpy()), line["top1_mean"].to_numpy()
    own, own_top1 = math.log(row["exaflops"]), row["top1_mean"]
    where, equal, drawn_on = _read(top1, cost, own_top1)
    bound = cost[-1] if where == BEYOND else cost[0]
    found: dict[str, Any] = {"where": where, "ratio": None, "bound": None, "ratio_extrapolated": None}
    if where == INTERIOR:
        found |= {"ratio": math.exp(equal - own)} | _spread(row, line, top1, equal - own)
    else:
        found |= {"bound": math.exp(bound - own), "ratio_extrapolated": _exp(drawn_on, own)}
    side, level, level_on = _read(cost, top1, own)
    gains: dict[str, Any] = {
        "gain": own_top1 - level if side == INTERIOR else None,
        "gain_extrapolated": None if level_on is None else own_top1 - level_on,
    }
    return {name: (row | found | gains).get(name) for name in POINT}


def _read(x: np.ndarray, y: np.ndarray, at: float) -> tuple[str, float, float | None]:
    """Where `at` lies in rising `x`, y there (held at the ends), and outside y on the nearest segment drawn on."""
    close = 1e-9 * max(1.0, abs(at))  # means over data sets that are equal on paper differ in the last bit
    where = BELOW if at < x[0] - close else BEYOND if at > x[-1] + close else INTERIOR
    held = float(np.interp(at, x, y))
    if where == INTERIOR or len(x) < 2:
        return where, held, None
    first = 0 if where == BELOW else len(x) - 2
    slope = (y[first + 1] - y[first]) / (x[first + 1] - x[first])
    return where, held, float(y[first] + slope * (at - x[first]))


def _exp(log_cost: float | None, own: float) -> float | None:
    """The ratio, infinite when a flat segment would need more than a number holds."""
    if log_cost is None:
        return None
    return math.exp(log_cost - own) if log_cost - own < 700 else math.inf


def _spread(row: dict[str, Any], line: pl.DataFrame, top1: np.ndarray, log_ratio: float) -> dict[str, float]:
    """One standard error of the seeds' means, of the point and of the segment that it is read from, as ratios."""
    if len(top1) < 2:
        return {}
    place = min(max(int(np.searchsorted(top1, row["top1_mean"])), 1), len(top1) - 1)
    ends = line[place - 1 : place + 1]
    share = (row["top1_mean"] - top1[place - 1]) / (top1[place] - top1[place - 1])
    errors = [_error(one) for one in (row, *ends.to_dicts())]
    if any(error is None for error in errors):
        return {}
    own, low, high = (float(error or 0.0) for error in errors)
    step = math.log(ends["exaflops"][1] / ends["exaflops"][0]) / (top1[place] - top1[place - 1])
    away = min(step * math.hypot(own, (1 - share) * low, share * high), 300.0)
    return {"ratio_low": math.exp(log_ratio - away), "ratio_high": math.exp(log_ratio + away)}


def _error(row: dict[str, Any]) -> float | None:
    std, seeds = row["top1_std"], row["seeds"]
    return None if std is None or not seeds or not math.isfinite(std) else std / math.sqrt(seeds)


def summary(beside: pl.DataFrame) -> dict[str, Any]:
    """Of `compared`'s rows: how many lie where, and the geometric mean ratio of the interior ones (null without any);
    `geometric_mean_with_extrapolated` also takes those outside, at their extrapolated values."""
    inside = beside.filter(where=INTERIOR)["ratio"]
    every = beside.select(pl.coalesce("ratio", "ratio_extrapolated").alias("ratio"))["ratio"].drop_nulls()
    counts = {name: beside.filter(where=name).height for name in (INTERIOR, BEYOND, BELOW)}
    return {
        "points": beside.height,
        **counts,
        "lowest": inside.min(),
        "highest": inside.max(),
        "geometric_mean": _geometric_mean(inside),
        "geometric_mean_with_extrapolated": _geometric_mean(every.filter(every.is_finite())),
        "extrapolated": len(every) - len(inside),
    }


def _geometric_mean(ratios: pl.Series) -> float | None:
    return math.exp(float(np.mean(np.log(ratios.to_numpy())))) if len(ratios) else None


def doublings(known: pl.DataFrame) -> pl.DataFrame:
    """What a doubling of compute adds along each family's frontier, segment by segment: accuracy (fraction) and the
    share of the error that it takes away (null without error). Falling gains are saturation. Columns `DOUBLING`."""
    made = []
    for family in sorted(set(known["family"])):
        for low, high in pairwise(_line(known, family).to_dicts()):
            times = math.log2(high["exaflops"] / low["exaflops"])
            left, right = 1 - low["top1_mean"], 1 - high["top1_mean"]
            made.append(
                {name: low[name] for name in ("family", "name", "exaflops", "top1_mean")}
                | {f"next_{name}": high[name] for name in ("name", "exaflops", "top1_mean")}
                | {"gain_per_doubling": (high["top1_mean"] - low["top1_mean"]) / times}
                | {"error_cut_per_doubling": 1 - (right / left) ** (1 / times) if left > 0 and right >= 0 else None}
            )
    return pl.DataFrame(made, schema=DOUBLING)


def default_tasks(names: list[str]) -> list[str]:
    """The paper's five data sets when all are there (ReaL is not one of them), or else every task."""
    plain = {"".join(filter(str.isalnum, name.lower())): name for name in names}
    five = [next((plain[alias] for alias in sorted(known) if alias in plain), None) for known in PAPER_TASKS]
    return [name for name in five if name is not None] if None not in five else names


def by_task(accuracies: pl.DataFrame, of: str, against: str) -> dict[str, dict[str, Any]]:
    """`summary` of the comparison on each data set alone, where there is one: how much hangs on the choice."""
    names = sorted(set(accuracies["task"]) - {MEAN})
    found = {name: summary(compared(points(accuracies, [name]), of, against)) for name in names}
    return {name: one for name, one in found.items() if one["points"]}

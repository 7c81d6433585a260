"""How much compute one family of models needs for the accuracy of another (Dosovitskiy et al. 2021, §4.4, Figure 5).

Family B's Pareto frontier is read as accuracy that is linear in log(compute) between its points. For a point of family
A, the compute ratio is B's compute at that accuracy over the point's own compute: above 1, A needs less. A point whose
accuracy is within those of B's frontier is `interior`. Outside it is `beyond` or `below` the range: then only a bound
on the ratio is known, and what the frontier's last or first segment gives when it is extended is an extrapolation,
which always has a column of its own.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from analysis.compare.frontier import frontier, mean_over_tasks
from analysis.rows import MEAN

MANY = 5000  # points; of more, only those on a family's frontier are compared
INTERIOR, BEYOND, BELOW = "interior", "beyond", "below"
PAPER_TASKS = (  # the five data sets of Figure 5 and of Table 7's average, each under all its usual names
    *({"imagenet", "imagenet1k", "ilsvrc2012"}, {"cifar10"}, {"cifar100"}),
    *({"pets", "pet", "oxfordiiitpet", "oxfordiiitpets"}, {"flowers", "flowers102", "oxfordflowers102"}),
)
FARTHEST = 10.0  # times its own range of compute that a frontier is extended: what is read farther out is no estimate
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


def comparable_points(accuracies: pl.DataFrame, tasks: list[str]) -> pl.DataFrame:
    """The points that can be compared: pre-trained models with compute and an accuracy on every one of `tasks`.

    `top1_mean` is the mean over the tasks (a fraction), `exaflops` the compute (valid taps, above 0); `on_frontier` and
    `on_family_frontier` as in `frontier`. Of more than `MANY` points, only those on their family's frontier.
    Raises ValueError for a task that the rows do not have.
    """
    usable = pl.col("pretrained") & pl.col("exaflops_valid").is_finite() & (pl.col("exaflops_valid") > 0)
    known = mean_over_tasks(accuracies, tasks).filter(usable)
    marked = frontier(known)
    if marked.height > MANY:
        marked = marked.filter("on_family_frontier")
    return marked.with_columns(exaflops="exaflops_valid").sort("family", "exaflops", "name", "run_id")


def compare_families(known: pl.DataFrame, of: str, against: str) -> pl.DataFrame:
    """Each point of family `of` compared with the frontier of family `against`: one row per point, columns `POINT`.

    An interior point has a `ratio`, with `ratio_low` and `ratio_high` one standard error of the seeds' means away
    (first order; null where a model has one seed). Outside there is a `bound`: the ratio of a point `beyond` is above
    it, of one `below` under it. `gain` is the point's accuracy less B's at equal compute (a fraction), null outside B's
    range of compute.
    """
    line = _line(known, against)
    rows = [_compared(row, line) for row in known.filter(family=of).to_dicts()] if line.height else []
    return pl.DataFrame(rows, schema=POINT)


def _line(known: pl.DataFrame, family: str) -> pl.DataFrame:
    """A family's frontier as a line that rises in compute and accuracy; of equal points only one is kept."""
    own = known.filter(pl.col("on_family_frontier"), family=family)
    # two points of equal compute would make a segment without a slope
    return own.unique("exaflops", keep="first", maintain_order=True).sort("exaflops")


def _compared(row: dict[str, Any], line: pl.DataFrame) -> dict[str, Any]:
    cost, top1 = np.log(line["exaflops"].to_numpy()), line["top1_mean"].to_numpy()
    own, own_top1 = math.log(row["exaflops"]), row["top1_mean"]
    where, log_cost, extended_cost = _read(top1, cost, own_top1)
    # the end of the frontier that the point lies beyond; of an interior point it is not used
    bound = cost[-1] if where == BEYOND else cost[0]
    ratio: dict[str, Any] = {"where": where, "ratio": None, "bound": None, "ratio_extrapolated": None}
    if where == INTERIOR:
        ratio |= {"ratio": math.exp(log_cost - own)} | _spread(row, line, top1, log_cost - own)
    else:
        ratio |= {"bound": math.exp(bound - own), "ratio_extrapolated": _exp(extended_cost, own)}
    side, level, extended_level = _read(cost, top1, own)
    gains: dict[str, Any] = {
        "gain": own_top1 - level if side == INTERIOR else None,
        "gain_extrapolated": None if extended_level is None else own_top1 - extended_level,
    }
    return {name: (row | ratio | gains).get(name) for name in POINT}


def _read(x: np.ndarray, y: np.ndarray, at: float) -> tuple[str, float, float | None]:
    """Where `at` lies in rising `x`, y there (held constant beyond the ends), and outside y on the extended segment."""
    close = 1e-9 * max(1.0, abs(at))  # means over data sets that are equal on paper differ in the last bit
    where = BELOW if at < x[0] - close else BEYOND if at > x[-1] + close else INTERIOR
    held = float(np.interp(at, x, y))
    if where == INTERIOR or len(x) < 2:
        return where, held, None
    first = 0 if where == BELOW else len(x) - 2
    slope = (y[first + 1] - y[first]) / (x[first + 1] - x[first])
    return where, held, float(y[first] + slope * (at - x[first]))


def _exp(log_cost: float | None, own: float) -> float | None:
    """The ratio; infinite when a flat segment, extended, needs more compute than a float can hold."""
    if log_cost is None:
        return None
    return math.exp(log_cost - own) if log_cost - own < 700 else math.inf


def _spread(row: dict[str, Any], line: pl.DataFrame, top1: np.ndarray, log_ratio: float) -> dict[str, float]:
    """The ratio one standard error lower and higher: the error of the point and of the segment it is read from."""
    if len(top1) < 2:
        return {}
    # first-order propagation through the linear segment between two points of the frontier
    place = min(max(int(np.searchsorted(top1, row["top1_mean"])), 1), len(top1) - 1)
    ends = line[place - 1 : place + 1]
    share = (row["top1_mean"] - top1[place - 1]) / (top1[place] - top1[place - 1])
    errors = [_error(one) for one in (row, *ends.to_dicts())]
    if any(error is None for error in errors):
        return {}
    own, low, high = (float(error or 0.0) for error in errors)
    step = math.log(ends["exaflops"][1] / ends["exaflops"][0]) / (top1[place] - top1[place - 1])
    away = min(step * math.hypot(own, (1 - share) * low, share * high), 300.0)  # exp(300) is still a finite ratio
    return {"ratio_low": math.exp(log_ratio - away), "ratio_high": math.exp(log_ratio + away)}


def _error(row: dict[str, Any]) -> float | None:
    std, seeds = row["top1_std"], row["seeds"]
    return None if std is None or not seeds or not math.isfinite(std) else std / math.sqrt(seeds)


def ratio_summary(beside: pl.DataFrame) -> dict[str, Any]:
    """Of `compare_families`' rows: how many lie where, and the geometric mean ratio of the interior ones.

    It is None without interior points; `geometric_mean_with_extrapolated` includes the others' extrapolated values, but
    those that are `too_far` out.
    """
    inside = beside.filter(where=INTERIOR)["ratio"]
    near = pl.when(is_near()).then("ratio_extrapolated")
    every = beside.select(pl.coalesce("ratio", near).alias("ratio"))["ratio"].drop_nulls()
    counts = {name: beside.filter(where=name).height for name in (INTERIOR, BEYOND, BELOW)}
    return {
        "points": beside.height,
        **counts,
        "lowest": inside.min(),
        "highest": inside.max(),
        "geometric_mean": _geometric_mean(inside),
        "geometric_mean_with_extrapolated": _geometric_mean(every.filter(every.is_finite())),
        "extrapolated": len(every) - len(inside),
        "too_far": beside["ratio_extrapolated"].count() - (len(every) - len(inside)),
    }


def is_near() -> pl.Expr:
    """Whether an extrapolated ratio is one, and its frontier is extended by no more than `FARTHEST` times for it."""
    times = pl.col("ratio_extrapolated") / pl.col("bound")
    return times.is_between(1 / FARTHEST, FARTHEST).fill_null(False)


def _geometric_mean(ratios: pl.Series) -> float | None:
    return math.exp(float(np.mean(np.log(ratios.to_numpy())))) if len(ratios) else None


def doublings(known: pl.DataFrame) -> pl.DataFrame:
    """What a doubling of compute adds along each family's frontier, one row per segment, columns `DOUBLING`.

    `gain_per_doubling` is accuracy (a fraction), `error_cut_per_doubling` the share of the error that is removed (null
    where there is no error). Gains that fall along a frontier are saturation.
    """
    rows = []
    for family in sorted(set(known["family"])):
        for low, high in pairwise(_line(known, family).to_dicts()):
            times = math.log2(high["exaflops"] / low["exaflops"])
            left, right = 1 - low["top1_mean"], 1 - high["top1_mean"]
            rows.append(
                {name: low[name] for name in ("family", "name", "exaflops", "top1_mean")}
                | {f"next_{name}": high[name] for name in ("name", "exaflops", "top1_mean")}
                | {"gain_per_doubling": (high["top1_mean"] - low["top1_mean"]) / times}
                | {"error_cut_per_doubling": 1 - (right / left) ** (1 / times) if left > 0 and right >= 0 else None}
            )
    return pl.DataFrame(rows, schema=DOUBLING)


def default_tasks(names: list[str]) -> list[str]:
    """The paper's five data sets when `names` has all of them (ReaL is not one of them), or else every task."""
    return _papers_five(names) or names


def is_papers_comparison(tasks: list[str]) -> bool:
    """Whether accuracies are the mean of the ViT paper's five data sets, for which it claims a ratio."""
    return bool(tasks) and sorted(_papers_five(tasks)) == sorted(tasks)


def _papers_five(names: list[str]) -> list[str]:
    """Those of `names` that are the paper's five data sets; empty where one is missing."""
    plain = {"".join(filter(str.isalnum, name.lower())): name for name in names}
    five = [next((plain[alias] for alias in sorted(known) if alias in plain), None) for known in PAPER_TASKS]
    return [] if None in five else [name for name in five if name is not None]


def ratios_by_task(accuracies: pl.DataFrame, of: str, against: str) -> dict[str, dict[str, Any]]:
    """`ratio_summary` on each data set alone, where points can be compared: how much depends on the choice."""
    names = sorted(set(accuracies["task"]) - {MEAN})
    alone = {
        name: ratio_summary(compare_families(comparable_points(accuracies, [name]), of, against)) for name in names
    }
    return {name: summary for name, summary in alone.items() if summary["points"]}

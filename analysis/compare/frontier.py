"""The Pareto frontier: the most accuracy for the compute (Dosovitskiy et al. 2021, Figure 5)."""

import polars as pl

from analysis.rows import MEAN

MODEL = ("run_id", "name", "family", "pretrained", "epochs", "exaflops", "exaflops_valid")


def frontier(accuracies: pl.DataFrame, compute: str = "exaflops_valid") -> pl.DataFrame:
    """Add `on_frontier` (among all models of a task) and `on_family_frontier` (among those of its family).

    `accuracies` are the rows of `analysis.rows.accuracies`. A point is dominated when another one of its task needs no
    more compute, is no less accurate, and is better in one of the two; of equal points all are on the frontier.
    From-scratch baselines and points without accuracy or compute (null, NaN, 0 or less) are on no frontier.
    """
    cost, top1 = pl.col(compute), pl.col("top1_mean")
    eligible = pl.col("pretrained") & (cost.is_finite() & (cost > 0) & top1.is_finite()).fill_null(False)
    marked = _mark(accuracies.with_row_index("_row"), eligible, compute, ["task"], "on_frontier")
    marked = _mark(marked, eligible, compute, ["task", "family"], "on_family_frontier")
    # callers rely on the order of the accuracies
    return marked.sort("_row").drop("_row")


def mean_over_tasks(accuracies: pl.DataFrame, tasks: list[str]) -> pl.DataFrame:
    """The mean over `tasks` of each model that has all of them: one row per model, its task 'a + b + …'.

    When `tasks` are all tasks of `accuracies`, these are the rows of task 'mean', with their deviation over seeds.
    Otherwise the deviation of a mean over k tasks is sqrt(sum std^2) / k, as if tasks were independent, and `seeds` the
    fewest of any task. NaN accuracies count as missing. Raises ValueError naming a task that the rows do not have.
    """
    there = sorted(set(accuracies["task"]) - {MEAN})
    for name in tasks:
        if name not in there:
            raise ValueError(f"no accuracies on {name!r}: the rows have {', '.join(there) or 'none'}")
    wanted = list(dict.fromkeys(tasks))
    if not wanted:
        raise ValueError(f"no data set is chosen: the rows have {', '.join(there) or 'none'}")
    whole = accuracies.filter(task=MEAN)
    if len(wanted) == 1:
        return _finite(accuracies.filter(task=wanted[0]))
    if set(wanted) == set(there) and whole.height:
        return _finite(whole)
    single = [name for name in MODEL if name in accuracies.columns]
    means = _finite(accuracies.filter(pl.col("task").is_in(wanted))).group_by(single, maintain_order=True)
    every = means.agg(
        pl.col("top1_mean").mean(),
        pl.col("seeds").min(),
        # null where one task has no deviation: a mean of the others would look more certain than it is
        top1_std=pl.when(pl.col("top1_std").is_not_null().all()).then(
            pl.col("top1_std").pow(2).sum().sqrt() / len(wanted)
        ),
        count=pl.col("task").n_unique(),
    )
    # a mean over fewer tasks is another number: models that lack one are left out
    return every.filter(count=len(wanted)).with_columns(task=pl.lit(" + ".join(wanted))).drop("count")


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    spread = pl.col("top1_std")
    return frame.filter(pl.col("top1_mean").is_finite()).with_columns(top1_std=pl.when(spread.is_finite()).then(spread))


def _mark(frame: pl.DataFrame, eligible: pl.Expr, compute: str, group: list[str], column: str) -> pl.DataFrame:
    """Mark in `column` the points that no other point of their group dominates.

    In order of compute, a point is on the frontier when it is the first to reach the best accuracy so far.
    """
    ordered = frame.sort(compute, "top1_mean", descending=[False, True], nulls_last=True)
    candidate = pl.when(eligible).then(pl.col("top1_mean"))
    best = ordered.with_columns(_best=candidate.cum_max().over(group))
    # equal accuracy at more compute is dominated: only the cheapest points that reach it are on the frontier
    best = best.with_columns(_first=pl.when(eligible).then(pl.col(compute)).min().over([*group, "_best"]))
    reached = eligible & (pl.col("top1_mean") == pl.col("_best")) & (pl.col(compute) == pl.col("_first"))
    return best.with_columns(reached.fill_null(False).alias(column)).drop("_best", "_first")

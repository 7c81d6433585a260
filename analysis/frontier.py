"""The Pareto frontier: the most accuracy for the compute (Dosovitskiy et al. 2021, Figure 5)."""

import polars as pl


def frontier(accuracies: pl.DataFrame, compute: str = "exaflops_valid") -> pl.DataFrame:
    """Adds `on_frontier` (among all models of a task) and `on_family_frontier` (among those of its family).

    A point is dominated when another of its task needs no more compute, is no less accurate, and is better in one of
    the two; equal points stand together. Controls from scratch and points without compute are on no frontier.
    """
    eligible = pl.col("pretrained") & pl.col(compute).is_not_null()
    marked = _mark(accuracies.with_row_index("_row"), eligible, compute, ["task"], "on_frontier")
    marked = _mark(marked, eligible, compute, ["task", "family"], "on_family_frontier")
    return marked.sort("_row").drop("_row")


def _mark(frame: pl.DataFrame, eligible: pl.Expr, compute: str, group: list[str], column: str) -> pl.DataFrame:
    """In order of compute, a point is on the frontier when it is the first to reach the best accuracy so far."""
    ordered = frame.sort(compute, "top1_mean", descending=[False, True], nulls_last=True)
    candidate = pl.when(eligible).then(pl.col("top1_mean"))
    best = ordered.with_columns(_best=candidate.cum_max().over(group))
    best = best.with_columns(_first=pl.when(eligible).then(pl.col(compute)).min().over([*group, "_best"]))
    reached = eligible & (pl.col("top1_mean") == pl.col("_best")) & (pl.col(compute) == pl.col("_first"))
    return best.with_columns(reached.fill_null(False).alias(column)).drop("_best", "_first")

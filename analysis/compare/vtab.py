"""Scores on VTAB-1k: by task, by group, and the mean over all 19 tasks, the benchmark's score (§4.1, Table 9).

In the mean every task has the same weight, so the three groups do not. Accuracies are fractions.
"""

import polars as pl

from analysis.rows import Rows, final_accuracies, merge_seeds, models_by_run, printed_table, with_display_name
from search_spaces.vtab import VTAB

VTAB_GROUPS = ("natural", "specialized", "structured")
VTAB_MEAN = "mean"


def tasks() -> pl.DataFrame:
    """The 19 tasks in the order of Table 9: place, task, title, group."""
    rows = [{"place": i, "task": row.name, "title": row.title, "group": row.group} for i, row in enumerate(VTAB)]
    return pl.DataFrame(rows)


def vtab_top1(rows: Rows) -> pl.DataFrame:
    """Test accuracies of a storage's VTAB tasks: model (as figures name it), task, top1 (mean over seeds), seeds.

    Raises ValueError when the storage has no VTAB rows, or when a run has a task in several versions.
    """
    named = rows.transfer.select("task_id", title_of="task").unique()
    kept = final_accuracies(rows).join(named, on="task_id").with_columns(task="title_of")
    kept = merge_seeds(kept.with_columns(replica="run_id"), models_by_run(rows.pretrain, rows.transfer))
    kept = kept.join(tasks(), on="task", how="semi")
    if kept.is_empty():
        raise ValueError("the storage holds no final runs of VTAB-1k: a study has them with tasks=vtab_tasks(ROOT)")
    several = kept.group_by("run_id", "task").agg(pl.col("task_id").n_unique()).filter(pl.col("task_id") > 1)
    if not several.is_empty():
        row = several.row(0, named=True)
        settings = f"task {row['task']} of run {row['run_id']} was run in {row['task_id']} settings"
        raise ValueError(f"{settings}, a score needs one: read a storage in which each task has one")
    epochs = rows.pretrain.select("run_id", "epochs")
    means = (
        kept.group_by("run_id", "name", "pretrained", "task")
        .agg(top1=pl.col("test_top1").mean(), seeds=pl.len())
        .join(epochs, on="run_id", how="left")
    )
    scratch = pl.when("pretrained").then(pl.lit("")).otherwise(pl.lit(" from scratch"))
    return (
        with_display_name(means).with_columns(model=pl.col("label") + scratch).select("model", "task", "top1", "seeds")
    )


def published_vtab() -> pl.DataFrame:
    """Table 9 of the ViT paper in the columns of `vtab_top1`; `seeds` is null, since the paper does not say them."""
    table = pl.read_csv(printed_table("table9")).rename({"task": "title"}).join(tasks(), on="title", validate="m:1")
    return table.select(
        pl.format("{}, {}", "model", "upstream").alias("model"),
        "task",
        pl.col("top1") / 100,
        seeds=pl.lit(None, pl.UInt32),
    )


def vtab_scores(accuracies: pl.DataFrame) -> pl.DataFrame:
    """One row per model: each task's accuracy by title, then each group's mean and the mean over the 19 tasks.

    `accuracies` has the columns model, task, top1. A mean is null while one of its tasks is missing. Best mean first.
    """
    known = tasks()
    every = accuracies.select(pl.col("model").unique()).join(known, how="cross")
    whole = every.join(accuracies.select("model", "task", "top1"), on=["model", "task"], how="left")
    # one mean over 19 tasks, not of the three groups' means, which would be another score
    mean = pl.when(pl.col("top1").null_count() == 0).then(pl.col("top1").mean())
    groups = whole.group_by("model", title="group").agg(top1=mean)
    overall = whole.group_by("model").agg(top1=mean).with_columns(title=pl.lit(VTAB_MEAN))
    long = pl.concat([part.select("model", "title", "top1") for part in (whole, groups, overall)])
    wide = long.pivot("title", index="model", values="top1")
    return wide.select("model", *known["title"], *VTAB_GROUPS, VTAB_MEAN).sort(
        VTAB_MEAN, "model", descending=[True, False], nulls_last=True
    )


def vtab_scores_table(frame: pl.DataFrame) -> pl.DataFrame:
    """`vtab_scores`' rows as text cells in percent: one row per task, group and mean, one column per model."""
    models = frame["model"].to_list()
    group_of = dict(tasks().select("title", "group").iter_rows())
    rows = []
    for title in frame.columns[1:]:
        values = ["–" if value is None else f"{100 * value:.1f}" for value in frame[title]]
        rows.append({"task": title, "group": group_of.get(title, ""), **dict(zip(models, values, strict=True))})
    return pl.DataFrame(rows)


def vtab_group_means(rows: Rows) -> pl.DataFrame:
    """The means that Figure 2 shows: model, group ('mean of 19 tasks', then each group), top1; missing means left out.

    Raises ValueError as `vtab_top1` does.
    """
    scores = vtab_scores(vtab_top1(rows)).rename({VTAB_MEAN: "mean of 19 tasks"})
    means = ["mean of 19 tasks", *VTAB_GROUPS]
    return scores.unpivot(means, index="model", variable_name="group", value_name="top1").drop_nulls("top1")

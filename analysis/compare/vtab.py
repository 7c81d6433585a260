"""Scores on VTAB-1k: by task, by group, and the mean over all 19, which is the benchmark's number (§4.1, Table 9).

The mean counts tasks alike, not groups. Accuracies are fractions.
"""

import polars as pl

from analysis.rows import Rows, final_accuracies, merge_seeds, models_by_run, with_display_name
from analysis.rows.published import printed_table
from search_spaces.vtab import VTAB

PUBLISHED = printed_table("table9")  # the ViT paper's Table 9
VTAB_GROUPS = ("natural", "specialized", "structured")
VTAB_MEAN = "mean"


def tasks() -> pl.DataFrame:
    """The 19 tasks in the order of Table 9: task, title, group."""
    rows = [{"place": i, "task": row.name, "title": row.title, "group": row.group} for i, row in enumerate(VTAB)]
    return pl.DataFrame(rows)


def vtab_top1(rows: Rows) -> pl.DataFrame:
    """Test accuracies of a storage's VTAB tasks: model, task, top1 (mean over seeds), seeds; a model is a run's label.

    Raises ValueError when a model has no VTAB rows at all, or a task was run in several settings.
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
        raise ValueError(f"task {row['task']} of run {row['run_id']} was run in {row['task_id']} settings: give each")
    epochs = rows.pretrain.select("run_id", "epochs")
    found = (
        kept.group_by("run_id", "name", "pretrained", "task")
        .agg(top1=pl.col("test_top1").mean(), seeds=pl.len())
        .join(epochs, on="run_id", how="left")
    )
    scratch = pl.when("pretrained").then(pl.lit("")).otherwise(pl.lit(" from scratch"))
    return (
        with_display_name(found).with_columns(model=pl.col("label") + scratch).select("model", "task", "top1", "seeds")
    )


def published_vtab() -> pl.DataFrame:
    """Table 9 of the ViT paper in the same columns: model, task, top1, seeds (of which it says nothing: null)."""
    table = pl.read_csv(PUBLISHED).rename({"task": "title"}).join(tasks(), on="title", validate="m:1")
    return table.select(
        pl.format("{}, {}", "model", "upstream").alias("model"),
        "task",
        pl.col("top1") / 100,
        seeds=pl.lit(None, pl.UInt32),
    )


def vtab_scores(accuracies: pl.DataFrame) -> pl.DataFrame:
    """One row a model: each task's accuracy by title, then each group's mean and the mean over the 19 tasks.

    `accuracies`: model, task, top1. A mean is null as long as one of its tasks is missing. Best mean first.
    """
    known = tasks()
    every = accuracies.select(pl.col("model").unique()).join(known, how="cross")
    whole = every.join(accuracies.select("model", "task", "top1"), on=["model", "task"], how="left")
    mean = pl.when(pl.col("top1").null_count() == 0).then(pl.col("top1").mean())
    groups = whole.group_by("model", title="group").agg(top1=mean)
    overall = whole.group_by("model").agg(top1=mean).with_columns(title=pl.lit(VTAB_MEAN))
    long = pl.concat([part.select("model", "title", "top1") for part in (whole, groups, overall)])
    wide = long.pivot("title", index="model", values="top1")
    return wide.select("model", *known["title"], *VTAB_GROUPS, VTAB_MEAN).sort(
        VTAB_MEAN, "model", descending=[True, False], nulls_last=True
    )


def vtab_scores_table(frame: pl.DataFrame) -> pl.DataFrame:
    """The scores as text cells in percent, one row a task, group or mean, one column a model."""
    models_of = frame["model"].to_list()
    group_of = dict(tasks().select("title", "group").iter_rows())
    made = []
    for title in frame.columns[1:]:
        values = ["–" if value is None else f"{100 * value:.1f}" for value in frame[title]]
        made.append({"task": title, "group": group_of.get(title, ""), **dict(zip(models_of, values, strict=True))})
    return pl.DataFrame(made)

"""Rows of two storages side by side: ours, and the published ones or anybody's, marked wherever they are named."""

from dataclasses import fields, replace
from pathlib import Path

import polars as pl

from analysis.names import mark_label
from analysis.rows import published
from analysis.rows.accuracies import Rows, load_rows

SHARED = {"trial": "task", "transfer": "task", "fewshot": "dataset"}  # column that says what was judged
IDS = ("run_id", "trial_id", "transfer_id", "probe_id", "attempt_id", "unit_id")


def with_rows_of(ours: Rows, place: str | None) -> Rows:
    """Our rows, and those of another storage beside them where one is named; `published` is labelled 'paper'."""
    if place is None:
        return ours
    label = "paper" if published.is_published(place) else Path(place.rstrip("/")).name
    return merge_rows(ours, load_rows(place), label)


def merge_rows(ours: Rows, theirs: Rows, label: str) -> Rows:
    """Our rows and theirs as one. Theirs have `label` behind their names and families, so that no frontier joins both.

    Of theirs only what was judged on data sets that ours were judged on too, and the runs that were. A task of theirs
    is taken for ours of the same name. Raises ValueError when there is no such data set.
    """
    common = {
        table: set(getattr(ours, table)[column]) & set(getattr(theirs, table)[column])
        for table, column in SHARED.items()
    }
    if not any(common.values()):
        names = [sorted(set(rows.transfer["task"]) | set(rows.fewshot["dataset"])) for rows in (ours, theirs)]
        told = [", ".join(some[:8]) + (", …" if len(some) > 8 else "") for some in names]
        raise ValueError(f"nothing to set side by side: no data set of {told[0]} is one of {label}'s: {told[1]}")
    kept = {
        table: getattr(theirs, table).filter(pl.col(SHARED[table]).is_in(list(names)))
        for table, names in common.items()
    }
    judged = pl.concat([frame["run_id"] for frame in kept.values()]).unique()
    for table, column in (("pretrain", "run_id"), ("curve", "run_id"), ("attempt", "unit_id")):
        kept[table] = getattr(theirs, table).filter(pl.col(column).is_in(judged.implode()))
    tasks = dict(ours.transfer.select("task", "task_id").unique("task", keep="any").iter_rows())
    return replace(
        ours,
        **{
            field.name: pl.concat([getattr(ours, field.name), _marked(kept[field.name], label, tasks)])
            for field in fields(Rows)
        },
    )


def _marked(frame: pl.DataFrame, label: str, tasks: dict[str, str]) -> pl.DataFrame:
    named = frame.with_columns(
        pl.format("{}:{}", pl.lit(label), column).alias(column) for column in IDS if column in frame.columns
    ).with_columns(
        pl.col(column).map_elements(lambda text: mark_label(text, label), pl.String) for column in ("name", "family")
    )
    return named.with_columns(task_id=pl.col("task").replace(tasks)) if "task_id" in frame.columns else named

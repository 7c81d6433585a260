"""The rows of two storages as one: ours, and the published ones or anybody's, labelled wherever they are named."""

from dataclasses import fields, replace
from pathlib import Path

import polars as pl

from analysis.names import mark_label
from analysis.rows import published
from analysis.rows.load import Rows, load_rows

# table: its column with the data set judged on
SHARED = {"trial": "task", "transfer": "task", "fewshot": "dataset", "metric": "dataset"}
IDS = ("run_id", "trial_id", "transfer_id", "probe_id", "evaluation_id", "attempt_id", "unit_id")


def with_rows_of(ours: Rows, storage: str | None) -> Rows:
    """Our rows and those of another storage, if one is named. `published` is labelled 'paper', others by their name."""
    if storage is None:
        return ours
    label = "paper" if published.is_published(storage) else Path(storage.rstrip("/")).name
    return merge_rows(ours, load_rows(storage), label)


def merge_rows(ours: Rows, theirs: Rows, label: str) -> Rows:
    """Our rows and theirs as one. Names and families of theirs end in `label`, so that no frontier joins both.

    Theirs are limited to data sets that ours were judged on too, and to the runs judged there. A task of theirs is
    taken to be ours of the same name. Raises ValueError when the two share no data set.
    """
    common = {
        table: set(getattr(ours, table)[column].drop_nulls()) & set(getattr(theirs, table)[column].drop_nulls())
        for table, column in SHARED.items()
    }
    if not any(common.values()):
        names = [sorted(set(rows.transfer["task"]) | set(rows.fewshot["dataset"])) for rows in (ours, theirs)]
        listed = [", ".join(some[:8]) + (", …" if len(some) > 8 else "") for some in names]
        raise ValueError(f"nothing to set side by side: no data set of {listed[0]} is one of {label}'s: {listed[1]}")
    kept = {
        table: getattr(theirs, table).filter(pl.col(SHARED[table]).is_in(list(names)))
        for table, names in common.items()
    }
    judged = pl.concat([frame["run_id"] for frame in kept.values()]).unique()
    for table, column in (("pretrain", "run_id"), ("curve", "run_id"), ("attempt", "unit_id")):
        kept[table] = getattr(theirs, table).filter(pl.col(column).is_in(judged.implode()))
    # theirs may have another id for a task of the same name, such as one at another resolution
    tasks = dict(ours.transfer.select("task", "task_id").unique("task", keep="any").iter_rows())
    return replace(
        ours,
        **{
            field.name: pl.concat([getattr(ours, field.name), _labelled(kept[field.name], label, tasks)])
            for field in fields(Rows)
        },
    )


def _labelled(frame: pl.DataFrame, label: str, task_ids: dict[str, str]) -> pl.DataFrame:
    """Their rows with the label in ids, names and families, and with our ids of tasks of the same name."""
    named = frame.with_columns(
        # a run that both storages have stays two runs
        pl.format("{}:{}", pl.lit(label), column).alias(column)
        for column in IDS
        if column in frame.columns
    ).with_columns(
        pl.col(column).map_elements(lambda text: mark_label(text, label), pl.String) for column in ("name", "family")
    )
    return named.with_columns(task_id=pl.col("task").replace(task_ids)) if "task_id" in frame.columns else named

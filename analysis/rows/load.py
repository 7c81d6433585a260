"""The rows of a storage as polars frames, one per table."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import polars as pl

from analysis.rows import published
from analysis.rows.usable import usable
from scaling.checks import say
from scaling.store import Storage, read_table


@dataclass(frozen=True)
class Rows:
    """All rows of a storage: one frame per table of `scaling.store.TABLES`, which says the columns and their units."""

    pretrain: pl.DataFrame
    curve: pl.DataFrame
    trial: pl.DataFrame
    transfer: pl.DataFrame
    fewshot: pl.DataFrame
    metric: pl.DataFrame
    attempt: pl.DataFrame


def open_rows(storage: str | Path | Storage) -> Storage:
    """The storage of that path or URI; `published` and `published/table6` stand for the ViT paper's tables."""
    return published.published_storage(str(storage)) if published.is_published(storage) else Storage.of(storage)


def load_rows(storage: str | Path | Storage) -> Rows:
    """The rows of a storage that can be used; what cannot is said once. Raises ValueError, in one line, for no rows."""
    place = open_rows(storage)
    if place.local is not None and not place.local.is_dir():
        raise ValueError(f"storage {place.uri} does not exist: give the directory or URI of a study's --storage")
    found = {field.name: read_table(place, field.name) for field in fields(Rows)}
    checked = {table: usable(table, frame) for table, frame in found.items()}
    rows = Rows(**{table: frame for table, (frame, _) in checked.items()})
    say(note for _, notes in checked.values() for note in notes)
    if all(getattr(rows, field.name).is_empty() for field in fields(Rows)):
        raise ValueError(f"storage {place.uri} holds no rows: run a study with --storage {place.uri} first")
    return replace(rows, trial=_with_settings(rows.trial), transfer=_with_settings(rows.transfer))


def _with_settings(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of schema version 1 have no setting: it was the learning rate alone, and every trial ran to its end."""
    if not frame["setting_id"].null_count():
        return frame
    known = frame.with_columns(pl.coalesce("setting_id", pl.format("rate {}", "base_lr")).alias("setting_id"))
    return (
        known.with_columns(pl.coalesce("steps_done", "steps").alias("steps_done")) if "steps_done" in known else known
    )

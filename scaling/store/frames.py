"""The rows of many units as polars frames. Workers never import this: they write one unit's rows."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from scaling.store.results import finished_ids, row_file, table_of, whole
from scaling.store.schemas import SCHEMA_VERSION, TABLES, UNIT_TABLES
from scaling.store.storage import Storage


def read_table(
    storage: Storage, table: str, columns: Sequence[str] | None = None, ids: Iterable[str] | None = None
) -> pl.DataFrame:
    """All rows of a table, with the schema's columns or some of them; no rows when there are none yet.

    `ids`: of these units' files alone. Raises ValueError for a file that is not whole, has another schema version, or
    repeats another's rows.
    """
    schema, key = TABLES[table].empty_table(), TABLES[table].metadata[b"key"].decode()
    asked = TABLES[table].names if columns is None else list(columns)
    wanted = _frame(schema.select(asked if key in asked else [*asked, key]))
    names = sorted(row_file(table, name) for name in (finished_ids(storage, table) if ids is None else ids))
    frame = _read(storage, table, names, wanted)
    _refuse_copies(storage, table, names, frame[key])
    return frame.select(asked)


def _read(storage: Storage, table: str, names: list[str], wanted: pl.DataFrame) -> pl.DataFrame:
    contents = storage.read_all(names)
    if not contents:
        return wanted
    if all(map(_current, contents)):
        files: list[Any] = [io.BytesIO(content) for content in contents]
        frame = pl.read_parquet(files, columns=wanted.columns)  # all at once: a fifth of Arrow's time for small files
        return frame.select(wanted.columns).cast(wanted.schema)
    # one by one, to name the file or to read what was written without a seal
    parts = [table_of(table, storage.path(name), content) for name, content in zip(names, contents, strict=True)]
    return _frame(pa.concat_tables(parts).select(wanted.columns))


def _refuse_copies(storage: Storage, table: str, names: list[str], keys: pl.Series) -> None:
    """Raises ValueError, naming a file, if rows of one unit are in two: they would count twice."""
    stems = {name.removeprefix(f"{table}/").removesuffix(".parquet") for name in names}
    units = keys.rle().struct.field("value") if len(keys) else keys  # a file's rows stand together
    if units.n_unique() < max(len(stems), len(units)):
        twice = set(units.filter(units.is_duplicated()))
        stray = next(iter(sorted(stems - set(units)) or sorted(stems & twice) or sorted(stems)))
        path = storage.path(row_file(table, stray))
        raise ValueError(f"{path} holds rows that another file of {table}/ has too: remove the copy")


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _current(content: bytes) -> bool:
    """Whether a file is whole and of this version, and so can be read without a further look."""
    if not whole(content):
        return False
    return pl.read_parquet_metadata(io.BytesIO(content)).get("schema_version") == str(SCHEMA_VERSION)


def skipped_images(storage: Storage) -> list[str]:
    """A line for each image that was the first corrupt one of some attempts: how many were skipped, and where it is."""
    attempts = read_table(storage, "attempt").filter(pl.col("corrupt_images") > 0)
    firsts = attempts.group_by("first_corrupt", maintain_order=True).agg(pl.col("corrupt_images").max())
    return [f"Skipped up to {count} corrupt images a run: {first}" for first, count in firsts.iter_rows()]


def open_attempts(storage: Storage, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The attempt rows of units that have no rows of their own; those of finished units are not opened."""
    finished = set().union(*(finished_ids(storage, table) for table in UNIT_TABLES))
    ids = [attempt for attempt in finished_ids(storage, "attempt") if attempt.rpartition("-")[0] not in finished]
    return read_table(storage, "attempt", columns, ids)


def best_trials(trials: pl.DataFrame) -> pl.DataFrame:
    """The best trial of each (run_id, task_id).

    Of those that got furthest: the best dev accuracy, then the lowest dev loss, then the smallest rate. What is NaN or
    null comes last.
    """
    share = pl.col("steps_done") / pl.col("steps")
    keys = [share, *(pl.col(name).fill_nan(None) for name in ("dev_top1", "dev_loss", "base_lr"))]
    ranked = trials.sort(keys, descending=[True, True, False, False], nulls_last=True)
    return ranked.unique(["run_id", "task_id"], keep="first", maintain_order=True)

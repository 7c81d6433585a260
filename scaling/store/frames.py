"""The rows of many units as polars frames. Workers never import this: they write the rows of one unit."""

import contextlib
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from scaling.checks import say
from scaling.store.results import DamagedRowsError, finished_ids, row_file, table_of, whole
from scaling.store.schemas import SCHEMA_VERSION, TABLES, UNIT_TABLES
from scaling.store.storage import Storage


def read_table(
    storage: Storage, table: str, columns: Sequence[str] | None = None, ids: Iterable[str] | None = None
) -> pl.DataFrame:
    """The rows of a table, an empty frame where there are none yet.

    Args:
        storage: where the rows lie.
        table: a name of TABLES.
        columns: which columns, in this order; None: all of the schema.
        ids: the units whose files are read; None: all.

    Raises ValueError for a file that is not whole, that has an unknown schema version, or that repeats rows of another.
    """
    schema, key = TABLES[table].empty_table(), TABLES[table].metadata[b"key"].decode()
    asked = TABLES[table].names if columns is None else list(columns)
    empty = _frame(schema.select(asked if key in asked else [*asked, key]))
    names = sorted(row_file(table, name) for name in (finished_ids(storage, table) if ids is None else ids))
    frame = _read(storage, table, names, empty)
    _refuse_copies(storage, table, names, frame[key])
    return frame.select(asked)


def _read(storage: Storage, table: str, names: list[str], empty: pl.DataFrame) -> pl.DataFrame:
    """The rows of files, in the columns of an empty frame."""
    contents = storage.read_all(names)
    if not contents:
        return empty
    if all(map(_is_current, contents)):
        files: list[Any] = [io.BytesIO(content) for content in contents]
        with contextlib.suppress(pl.exceptions.PolarsError):  # a column is missing, or of another type
            frame = pl.read_parquet(files, columns=empty.columns)  # all at once: a fifth of Arrow's time
            return frame.select(empty.columns).cast(empty.schema)
    # One by one, to name the file that is broken, or to read files of earlier versions.
    parts = [table_of(table, storage.path(name), content) for name, content in zip(names, contents, strict=True)]
    return _frame(pa.concat_tables(parts).select(empty.columns))


def _refuse_copies(storage: Storage, table: str, names: list[str], keys: pl.Series) -> None:
    """Raises ValueError, naming a file, if two files hold rows of one unit: these would count twice."""
    stems = {name.removeprefix(f"{table}/").removesuffix(".parquet") for name in names}
    units = keys.rle().struct.field("value") if len(keys) else keys  # the rows of a file stand together
    if units.n_unique() < max(len(stems), len(units)):
        twice = set(units.filter(units.is_duplicated()))
        stray = next(iter(sorted(stems - set(units)) or sorted(stems & twice) or sorted(stems)))
        path = storage.path(row_file(table, stray))
        raise ValueError(f"{path} holds rows that another file of {table}/ has too: remove the copy")


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _is_current(content: bytes) -> bool:
    """Whether a file is whole and of this schema version, so that polars can read it as it is."""
    if not whole(content):
        return False
    return pl.read_parquet_metadata(io.BytesIO(content)).get("schema_version") == str(SCHEMA_VERSION)


def skipped_images(storage: Storage) -> list[str]:
    """Lines for people about skipped corrupt images: how many there were, and which was the first."""
    attempts = read_table(storage, "attempt").filter(pl.col("corrupt_images") > 0)
    firsts = attempts.group_by("first_corrupt", maintain_order=True).agg(pl.col("corrupt_images").max())
    return [f"Skipped up to {count} corrupt images per run: {first}" for first, count in firsts.iter_rows()]


def open_attempts(storage: Storage, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The attempt rows of units that are not finished. Those of finished units, most of them, are not even opened."""
    # By names alone: a status of ten thousand cells took twice as long when every attempt was read.
    finished = set().union(*(finished_ids(storage, table) for table in UNIT_TABLES))
    ids = [attempt for attempt in finished_ids(storage, "attempt") if attempt.rpartition("-")[0] not in finished]
    return readable_attempts(storage, columns, ids)


def attempts_of(storage: Storage, units: Collection[str], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The attempt rows of some units; no others are opened."""
    ids = [attempt for attempt in finished_ids(storage, "attempt") if attempt.rpartition("-")[0] in units]
    return readable_attempts(storage, columns, ids)


def readable_attempts(
    storage: Storage, columns: Sequence[str] | None = None, ids: Iterable[str] | None = None
) -> pl.DataFrame:
    """The attempt rows that can be read: what cannot be of the account is named, and no reason to do no work."""
    ids = sorted(finished_ids(storage, "attempt") if ids is None else ids)
    try:
        return read_table(storage, "attempt", columns, ids)
    except DamagedRowsError:
        return pl.concat([read_table(storage, "attempt", columns, []), *_one_by_one(storage, columns, ids)])


def _one_by_one(storage: Storage, columns: Sequence[str] | None, ids: Iterable[str]) -> Iterator[pl.DataFrame]:
    for attempt in ids:
        try:
            yield read_table(storage, "attempt", columns, [attempt])
        except DamagedRowsError as error:
            say([f"{error}: left out here"])


def best_trials(trials: pl.DataFrame) -> pl.DataFrame:
    """The best trial of each (run_id, task_id), by the rule of `scaling.schedule.chosen_settings`.

    Among the trials that ran furthest, the highest dev accuracy; ties go to the lower dev loss, then to the smaller
    learning rate. NaN and null come last.
    """
    share = pl.col("steps_done") / pl.col("steps")
    # NaN as null: in polars' order it is above every number, so it would be the best accuracy.
    keys = [share, *(pl.col(name).fill_nan(None) for name in ("dev_top1", "dev_loss", "base_lr"))]
    ranked = trials.sort(keys, descending=[True, True, False, False], nulls_last=True)
    return ranked.unique(["run_id", "task_id"], keep="first", maintain_order=True)

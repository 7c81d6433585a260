"""The result rows: one Parquet file for each finished unit of work, in the tables of `scaling.store.schemas`.

Rows are the truth: a unit is done when its file exists. The file is named by the unit's id and written whole or not at
all; writing it again replaces it.
"""

import io
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scaling.checks import check, check_name, say
from scaling.store.clutter import is_clutter
from scaling.store.schemas import ADDED, SCHEMA_VERSION, TABLES
from scaling.store.storage import Storage

SEAL = b"crc32:"  # before the checksum of a file


class DamagedRowsError(ValueError):
    """A file of rows is not whole."""


def checkpoint_name(unit_id: str, state: str = "final") -> str:
    """Directory of a unit's checkpoint in its storage: the final weights, or the state after a step."""
    check_name("unit", unit_id)
    check_name("state", state)
    return f"checkpoints/{unit_id}/{state}"


def row_file(table: str, unit_id: str) -> str:
    """Name of the file of a unit's rows in its storage."""
    check("/" not in unit_id, f"unit {unit_id!r} has a slash: it is no name of a file")
    return f"{table}/{unit_id}.parquet"


def write_rows(storage: Storage, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Commit the rows of one unit as one file. All columns must be given; values are checked against the schema."""
    schema = TABLES[table]
    rows = list(rows)
    key = schema.metadata[b"key"].decode()
    (unit_id,) = {row[key] for row in rows}
    write_row_file(storage, table, unit_id, rows)


def write_row_file(storage: Storage, table: str, name: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> None:
    """Commit rows of any number of units as one file `name`: rows from elsewhere, for analysis only."""
    schema = TABLES[table]
    if not isinstance(rows, pa.Table):
        rows = list(rows)
        for row in rows:
            assert row.keys() == set(schema.names), f"{table}: columns differ: {row.keys() ^ set(schema.names)}"
        rows = pa.Table.from_pylist(rows, schema=schema)
    assert rows.schema.equals(schema), f"{table}: columns differ"
    sink = io.BytesIO()
    # With checksums of the pages: without them a flipped bit is read silently. The seal covers the footer as well.
    pq.write_table(rows.replace_schema_metadata(schema.metadata), sink, compression="zstd", write_page_checksum=True)
    storage.write(row_file(table, name), _sealed(sink.getvalue()))


def finished_ids(storage: Storage, table: str) -> set[str]:
    """Ids of the units that have their rows. An empty file, as a loss of power may leave, is none, and is named."""
    finished = set()
    for name, size in storage.sizes(table).items():
        if name.endswith(".parquet") and not is_clutter(name):
            if size:
                finished.add(name.removesuffix(".parquet"))
            else:
                _say_empty(storage, f"{table}/{name}")
    return finished


def _say_empty(storage: Storage, name: str) -> None:
    say([f"{storage.shown(name)} is empty: it counts as absent"])


def read_row(storage: Storage, table: str, unit_id: str) -> dict[str, Any] | None:
    """The first row of a unit, None when it has none."""
    rows = _read_file(storage, table, unit_id)
    return rows.slice(0, 1).to_pylist()[0] if rows else None


def read_rows(storage: Storage, table: str, unit_id: str) -> list[dict[str, Any]]:
    """All rows of a unit, an empty list when it has none."""
    rows = _read_file(storage, table, unit_id)
    return rows.to_pylist() if rows else []


def _sealed(content: bytes) -> bytes:
    """A Parquet file with a CRC-32 of all its bytes before the footer, where readers of Parquet do not look."""
    footer = _footer(content)
    return content[:footer] + SEAL + zlib.crc32(content).to_bytes(4, "little") + content[footer:]


def whole(content: bytes) -> bool | None:
    """Whether a file's checksum fits its bytes; None without one. Parquet's page checksums leave out the footer."""
    footer = _footer(content)
    seal = footer - len(SEAL) - 4
    if seal < 0 or content[seal : footer - 4] != SEAL:
        return None  # written before files had a seal
    checksum = zlib.crc32(content[footer:], zlib.crc32(content[:seal]))
    return checksum == int.from_bytes(content[footer - 4 : footer], "little")


def _footer(content: bytes) -> int:
    """Where a Parquet file's footer begins: its length stands before the last four bytes."""
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def _read_file(storage: Storage, table: str, unit_id: str) -> pa.Table | None:
    """The rows of a unit; None when it has none: no file, or an empty one."""
    name = row_file(table, unit_id)
    try:
        content = storage.read(name)
    except FileNotFoundError:
        return None
    if not content:
        _say_empty(storage, name)
        return None
    return table_of(table, storage.path(name), content)


def table_of(name: str, path: str, content: bytes) -> pa.Table:
    """The rows in a file's bytes, in today's schema. Raises ValueError, naming the path, for a file that has none."""
    schema = TABLES[name]
    if whole(content) is False:
        raise DamagedRowsError(f"{path} is not a whole Parquet file: its bytes do not fit their checksum")
    try:
        # In a third of the time that pq.read_table takes for a small file.
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedRowsError(f"{path} is not a whole Parquet file: {str(error).splitlines()[0]}") from None
    version = (table.schema.metadata or {}).get(b"schema_version", b"none").decode()
    table = _upgraded(table, name, schema, version)
    if table.schema.names != schema.names:
        raise ValueError(
            f"{path} has schema version {version}, this project reads versions {min(ADDED) - 1} to {SCHEMA_VERSION}"
        )
    try:
        return table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(f"{path} has a column of another type than {name} has: {str(error).splitlines()[0]}") from None


def _upgraded(table: pa.Table, name: str, schema: pa.Schema, version: str) -> pa.Table:
    """Rows of an older version with the columns that were added since, as nulls; those of today as they are."""
    if version not in map(str, range(min(ADDED) - 1, SCHEMA_VERSION)):
        return table if version == str(SCHEMA_VERSION) else table.select([])  # without columns the caller refuses it
    for later in range(int(version) + 1, SCHEMA_VERSION + 1):
        for column in ADDED[later].get(name, ()):
            kind = schema.field(column).type
            table = table.append_column(column, pa.nulls(len(table), kind))
    return table.select(schema.names) if set(table.schema.names) == set(schema.names) else table

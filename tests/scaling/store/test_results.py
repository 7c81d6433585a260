"""Rows: one whole file a unit, with schema, units and version."""

import io
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaling.store import frames, results
from scaling.store.schemas import ADDED, SCHEMA_VERSION, TABLES
from scaling.store.storage import Storage
from tests.helpers.rows import example


@pytest.mark.parametrize("table", TABLES)
def test_every_table_round_trips_with_units_and_version(table: str, storage: Storage) -> None:
    key = TABLES[table].metadata[b"key"].decode()
    results.write_rows(storage, table, [example(table, **{key: "unit"})])
    assert results.finished_ids(storage, table) == {"unit"}
    assert frames.read_table(storage, table).to_dicts() == [example(table, **{key: "unit"})]
    schema = pq.read_schema(io.BytesIO(storage.read(f"{table}/unit.parquet")))
    assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert all(schema.field(name).metadata[b"doc"] for name in schema.names)
    if "train_flops_valid" in schema.names:
        assert schema.field("train_flops_valid").metadata[b"unit"] == b"FLOPs"


def test_writing_again_leaves_one_row(storage: Storage) -> None:
    for top1 in (0.1, 0.2):
        results.write_rows(storage, "trial", [example("trial", trial_id="t", dev_top1=top1)])
    assert frames.read_table(storage, "trial")["dev_top1"].to_list() == [0.2]


def test_a_missing_column_or_two_units_in_one_file_cannot_be_written(storage: Storage) -> None:
    with pytest.raises(AssertionError, match="seed"):
        results.write_rows(storage, "trial", [{k: v for k, v in example("trial").items() if k != "seed"}])
    with pytest.raises(ValueError, match="unpack"):
        results.write_rows(storage, "trial", [example("trial", trial_id="a"), example("trial", trial_id="b")])
    assert results.finished_ids(storage, "trial") == set()


def test_an_empty_file_counts_as_absent_and_is_named(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    """As a loss of power may leave it. A pipe of that name is no file either, and nothing waits for it."""
    storage.write("trial/t.parquet", b"")
    assert results.finished_ids(storage, "trial") == set()
    assert "trial/t.parquet is empty: it counts as absent" in capsys.readouterr().err
    assert results.read_row(storage, "trial", "t") is None
    assert frames.read_table(storage, "trial").is_empty()
    assert storage.local is not None
    os.mkfifo(storage.local / "trial" / "p.parquet")
    assert results.finished_ids(storage, "trial") == set()
    with pytest.raises(ValueError, match=r"p\.parquet is a FIFO"):
        results.read_row(storage, "trial", "p")


def test_a_damaged_attempt_row_blocks_nothing(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    storage.write("attempt/a-1.parquet", b"torn")
    results.write_rows(storage, "attempt", [example("attempt", attempt_id="b-1")])
    assert frames.open_attempts(storage)["attempt_id"].to_list() == ["b-1"]
    assert "attempt/a-1.parquet is not a whole Parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../trial/t", "a/b", "/etc/t"])
def test_a_name_that_leads_elsewhere_is_no_unit(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        results.row_file("trial", name)
    with pytest.raises(ValueError, match=name):
        results.checkpoint_name(name)


def test_a_file_that_is_not_whole_is_named(storage: Storage) -> None:
    storage.write("trial/t.parquet", b"torn")
    with pytest.raises(ValueError, match=r"trial/t\.parquet is not a whole Parquet file"):
        frames.read_table(storage, "trial")


def test_a_flipped_bit_never_changes_a_value(storage: Storage) -> None:
    """Most flips are found; those in bytes that nothing reads change nothing."""
    results.write_rows(storage, "trial", [example("trial", trial_id="t", name="a" * 500)])
    whole, rows, found = storage.read("trial/t.parquet"), frames.read_table(storage, "trial"), 0
    for place in range(0, len(whole), 13):
        torn = bytearray(whole)
        torn[place] ^= 1
        storage.write("trial/t.parquet", bytes(torn))
        try:
            assert frames.read_table(storage, "trial").equals(rows)
        except ValueError:
            found += 1
    assert found > 100


def test_another_schema_version_is_named(storage: Storage) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}, metadata=None), sink)
    storage.write("trial/t.parquet", sink.getvalue())
    with pytest.raises(ValueError, match="schema version none"):
        frames.read_table(storage, "trial")


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
@pytest.mark.parametrize("table", TABLES)
def test_rows_of_an_older_version_have_nulls_where_columns_came_later(
    table: str, version: int, storage: Storage
) -> None:
    key = TABLES[table].metadata[b"key"].decode()
    later = [column for since, added in ADDED.items() if since > version for column in added.get(table, ())]
    old = pa.Table.from_pylist([example(table, **{key: "old"})], schema=TABLES[table]).drop_columns(later)
    sink = io.BytesIO()
    pq.write_table(old.replace_schema_metadata({"key": key, "schema_version": str(version)}), sink)
    storage.write(f"{table}/old.parquet", sink.getvalue())
    results.write_rows(storage, table, [example(table, **{key: "new"})])
    new, upgraded = frames.read_table(storage, table).sort(key).to_dicts()
    assert new == example(table, **{key: "new"})
    assert upgraded == example(table, **{key: "old"}) | dict.fromkeys(later)


def test_rows_of_a_newer_version_are_refused(storage: Storage) -> None:
    made = pa.Table.from_pylist([example("trial", trial_id="t")], schema=TABLES["trial"])
    sink = io.BytesIO()
    pq.write_table(made.replace_schema_metadata({"schema_version": str(SCHEMA_VERSION + 1)}), sink)
    storage.write("trial/t.parquet", sink.getvalue())
    with pytest.raises(ValueError, match=f"schema version {SCHEMA_VERSION + 1}, this project reads versions 1 to"):
        frames.read_table(storage, "trial")

"""Rows: one whole file a unit, with schema, units and version."""

import io
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaling import frames, results
from scaling.schemas import ADDED, SCHEMA_VERSION, TABLES
from scaling.storage import Storage

EXAMPLE: dict[Any, Any] = {pa.string(): "x", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}
EXAMPLE |= {pa.list_(pa.int64()): [1, 2], pa.list_(pa.float64()): [0.5, 0.25], pa.list_(pa.uint8()): [7, 255]}


def row(table: str, **given: Any) -> dict[str, Any]:
    fields = TABLES[table]
    return {f.name: EXAMPLE.get(f.type, datetime(2026, 1, 1, tzinfo=UTC)) for f in fields} | given


@pytest.mark.parametrize("table", TABLES)
def test_every_table_round_trips_with_units_and_version(table: str, storage: Storage) -> None:
    key = TABLES[table].metadata[b"key"].decode()
    results.write(storage, table, [row(table, **{key: "unit"})])
    assert results.done(storage, table) == {"unit"}
    assert frames.read(storage, table).to_dicts() == [row(table, **{key: "unit"})]
    schema = pq.read_schema(io.BytesIO(storage.read(f"{table}/unit.parquet")))
    assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert all(schema.field(name).metadata[b"doc"] for name in schema.names)
    if "train_flops_valid" in schema.names:
        assert schema.field("train_flops_valid").metadata[b"unit"] == b"FLOPs"


def test_writing_again_leaves_one_row(storage: Storage) -> None:
    for top1 in (0.1, 0.2):
        results.write(storage, "trial", [row("trial", trial_id="t", dev_top1=top1)])
    assert frames.read(storage, "trial")["dev_top1"].to_list() == [0.2]


def test_no_rows_yet_is_an_empty_frame_with_all_columns(storage: Storage) -> None:
    assert frames.read(storage, "pretrain").columns == TABLES["pretrain"].names


def test_a_missing_column_or_two_units_in_one_file_cannot_be_written(storage: Storage) -> None:
    with pytest.raises(AssertionError, match="seed"):
        results.write(storage, "trial", [{k: v for k, v in row("trial").items() if k != "seed"}])
    with pytest.raises(ValueError, match="unpack"):
        results.write(storage, "trial", [row("trial", trial_id="a"), row("trial", trial_id="b")])
    assert results.done(storage, "trial") == set()


@pytest.mark.parametrize("content", [b"", b"torn"])
def test_a_file_that_is_not_whole_is_named(storage: Storage, content: bytes) -> None:
    storage.write("trial/t.parquet", content)
    with pytest.raises(ValueError, match=r"trial/t\.parquet is not a whole Parquet file"):
        frames.read(storage, "trial")


def test_a_flipped_bit_never_changes_a_value(storage: Storage) -> None:
    """Most flips are found; those in bytes that nothing reads change nothing."""
    results.write(storage, "trial", [row("trial", trial_id="t", name="a" * 500)])
    whole, rows, found = storage.read("trial/t.parquet"), frames.read(storage, "trial"), 0
    for place in range(0, len(whole), 13):
        torn = bytearray(whole)
        torn[place] ^= 1
        storage.write("trial/t.parquet", bytes(torn))
        try:
            assert frames.read(storage, "trial").equals(rows)
        except ValueError:
            found += 1
    assert found > 100


def test_another_schema_version_is_named(storage: Storage) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}, metadata=None), sink)
    storage.write("trial/t.parquet", sink.getvalue())
    with pytest.raises(ValueError, match="schema version none"):
        frames.read(storage, "trial")


@pytest.mark.parametrize("version", range(2, SCHEMA_VERSION))
@pytest.mark.parametrize("table", TABLES)
def test_rows_of_an_older_version_have_nulls_where_columns_came_later(
    table: str, version: int, storage: Storage
) -> None:
    key = TABLES[table].metadata[b"key"].decode()
    later = [column for since, added in ADDED.items() if since > version for column in added.get(table, ())]
    old = pa.Table.from_pylist([row(table, **{key: "old"})], schema=TABLES[table]).drop_columns(later)
    sink = io.BytesIO()
    pq.write_table(old.replace_schema_metadata({"key": key, "schema_version": str(version)}), sink)
    storage.write(f"{table}/old.parquet", sink.getvalue())
    results.write(storage, table, [row(table, **{key: "new"})])
    new, upgraded = frames.read(storage, table).sort(key).to_dicts()
    assert new == row(table, **{key: "new"})
    assert upgraded == row(table, **{key: "old"}) | dict.fromkeys(later)


def test_rows_of_a_newer_version_are_refused(storage: Storage) -> None:
    made = pa.Table.from_pylist([row("trial", trial_id="t")], schema=TABLES["trial"])
    sink = io.BytesIO()
    pq.write_table(made.replace_schema_metadata({"schema_version": str(SCHEMA_VERSION + 1)}), sink)
    storage.write("trial/t.parquet", sink.getvalue())
    with pytest.raises(ValueError, match=f"schema version {SCHEMA_VERSION + 1}, this project reads versions 2 to"):
        frames.read(storage, "trial")


def test_some_columns_are_read_in_the_order_asked_for(storage: Storage) -> None:
    results.write(storage, "trial", [row("trial", trial_id="t")])
    assert frames.read(storage, "trial", ["steps", "trial_id"]).rows() == [(1, "t")]
    assert frames.read(storage, "transfer", ["test_top1"]).columns == ["test_top1"]


def test_attempts_at_finished_units_are_not_opened(storage: Storage) -> None:
    results.write(storage, "transfer", [row("transfer", transfer_id="a")])
    storage.write("attempt/a-01.parquet", b"torn")
    for attempt in ("b-01", "c-01", "c-02"):
        results.write(storage, "attempt", [row("attempt", attempt_id=attempt, unit_id=attempt[0])])
    assert frames.open_attempts(storage, ["unit_id"])["unit_id"].to_list() == ["b", "c", "c"]
    results.write(storage, "trial", [row("trial", trial_id="c")])
    assert frames.open_attempts(storage)["attempt_id"].to_list() == ["b-01"]


def test_the_best_trial_goes_by_dev_accuracy_then_loss_then_smaller_rate() -> None:
    columns = ["run_id", "task_id", "base_lr", "dev_top1", "dev_loss", "steps_done"]
    rows = [
        ("r", "a", 0.1, 0.8, 1.0, 9),
        ("r", "a", 0.3, 0.9, 1.0, 9),
        ("r", "a", 0.5, 1.0, 0.1, 3),  # left at a rung
        ("r", "b", 0.1, 0.9, 1.0, 9),
        ("r", "b", 0.3, 0.9, 0.5, 9),
        ("s", "a", 0.3, 0.9, 0.5, 9),
        ("s", "a", 0.1, 0.9, 0.5, 9),
    ]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(steps=9)
    best = frames.best_trials(frame)
    found = {(r["run_id"], r["task_id"]): r["base_lr"] for r in best.to_dicts()}
    assert found == {("r", "a"): 0.3, ("r", "b"): 0.3, ("s", "a"): 0.1}


@pytest.mark.parametrize("table", ["pretrain", "curve"])
def test_a_copy_of_a_file_is_named(table: str, storage: Storage) -> None:
    key = TABLES[table].metadata[b"key"].decode()
    for unit in ("a", "b"):
        rows = 3 if table == "curve" else 1
        results.write(storage, table, [dict.fromkeys(TABLES[table].names) | {key: unit}] * rows)
    assert frames.read(storage, table).height == 2 * rows
    storage.write(f"{table}/a copy.parquet", storage.read(f"{table}/a.parquet"))
    for columns in (None, ["name"]):
        with pytest.raises(ValueError, match=f"{table}/a copy.parquet holds rows that another file"):
            frames.read(storage, table, columns)

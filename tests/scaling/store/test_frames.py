"""Rows of many units as frames."""

import polars as pl
import pytest

from scaling.store import frames, results
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage
from tests.helpers.rows import example


def test_no_rows_yet_is_an_empty_frame_with_all_columns(storage: Storage) -> None:
    assert frames.read_table(storage, "pretrain").columns == TABLES["pretrain"].names


def test_some_columns_are_read_in_the_order_asked_for(storage: Storage) -> None:
    results.write_rows(storage, "trial", [example("trial", trial_id="t")])
    assert frames.read_table(storage, "trial", ["steps", "trial_id"]).rows() == [(1, "t")]
    assert frames.read_table(storage, "transfer", ["test_top1"]).columns == ["test_top1"]


def test_attempts_at_finished_units_are_not_opened(storage: Storage) -> None:
    results.write_rows(storage, "transfer", [example("transfer", transfer_id="a")])
    storage.write("attempt/a-01.parquet", b"torn")
    for attempt in ("b-01", "c-01", "c-02"):
        results.write_rows(storage, "attempt", [example("attempt", attempt_id=attempt, unit_id=attempt[0])])
    assert frames.open_attempts(storage, ["unit_id"])["unit_id"].to_list() == ["b", "c", "c"]
    results.write_rows(storage, "trial", [example("trial", trial_id="c")])
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
        results.write_rows(storage, table, [dict.fromkeys(TABLES[table].names) | {key: unit}] * rows)
    assert frames.read_table(storage, table).height == 2 * rows
    storage.write(f"{table}/a copy.parquet", storage.read(f"{table}/a.parquet"))
    for columns in (None, ["name"]):
        with pytest.raises(ValueError, match=f"{table}/a copy.parquet holds rows that another file"):
            frames.read_table(storage, table, columns)

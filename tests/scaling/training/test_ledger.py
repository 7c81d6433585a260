"""The account of an attempt, whole or cut off."""

import time
from dataclasses import replace
from typing import Any

import pytest

from scaling.specs.execution import Execution
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import Device
from scaling.training.ledger import Ledger, Outcome, PreemptedError, TrainingInterruptedError, Unit, attempt

CPU = Device("cpu", "cpu", Execution("fp32"), cores=2, world=1)
UNIT = Unit("unit", "pretrain", "small", "vit", step_flops=10.0)


def rows(storage: Storage) -> list[dict[str, Any]]:
    return frames.read_table(storage, "attempt").sort("started").to_dicts()


def test_an_attempt_leaves_its_row_from_the_start(storage: Storage) -> None:
    Ledger(UNIT, "study", storage, CPU)
    (row,) = rows(storage)
    assert (row["outcome"], row["unit_id"], row["cores"], row["study"]) == ("running", "unit", 2, "study")


def test_training_after_the_last_commit_is_lost_until_it_is_committed(storage: Storage) -> None:
    ledger = Ledger(UNIT, "study", storage, CPU)
    ledger.begin(5)
    for commit in (True, False):
        with ledger.doing("training"):
            time.sleep(0.05)
        ledger.step += 2
        if commit:
            ledger.commit(ledger.step)
    ledger.close("failed", "killed")
    (row,) = rows(storage)
    assert (row["first_step"], row["committed_step"], row["last_step"]) == (5, 7, 9)
    assert row["seconds_training"] >= 0.1
    assert 0.05 <= row["seconds_lost"] < row["seconds_training"]
    assert row["train_flops_valid"] == 2 * 10.0  # of the committed steps


def test_beats_refresh_the_row(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a step too."""
    monkeypatch.setattr("scaling.training.ledger.BEAT_SECONDS", {True: 0.0, False: 0.0})
    monkeypatch.setattr("scaling.training.ledger.TOUCH_SECONDS", 0.01)
    ledger = Ledger(UNIT, "study", storage, CPU)
    ledger.step = 3
    time.sleep(0.2)
    (row,) = rows(storage)
    assert (row["last_step"], row["outcome"]) == (3, "running")
    ledger.close("done")
    (row,) = rows(storage)
    assert row["outcome"] == "done"


def test_success_and_failure_are_told_apart(storage: Storage) -> None:
    with attempt(UNIT, "study", storage, CPU) as ledger:
        ledger.step = 4
    with pytest.raises(RuntimeError), attempt(UNIT, "study", storage, CPU):
        raise RuntimeError("no room\nand more")
    done, failed = rows(storage)
    assert (done["outcome"], done["committed_step"], done["seconds_lost"]) == ("done", 4, 0.0)
    assert (failed["outcome"], failed["reason"]) == ("failed", "RuntimeError: no room")


@pytest.mark.parametrize(
    ("outcome", "said", "workers", "reason"),
    [
        ("running", "", 1, "failure"),  # killed
        ("failed", "", 1, "failure"),
        ("interrupted", "PreemptedError: a machine is taken away", 1, "preemption"),
        ("interrupted", "TrainingInterruptedError: asked to stop", 1, "interrupted"),
        ("interrupted", "PreemptedError: a machine is taken away", 2, "resize"),
        ("done", "", 1, "rung"),
    ],
)
def test_the_reason_of_a_start_is_how_the_latest_attempt_ended(
    storage: Storage, outcome: Outcome, said: str, workers: int, reason: str
) -> None:
    Ledger(UNIT, "study", storage, CPU).close("failed")
    time.sleep(0.002)  # rows tell milliseconds
    Ledger(UNIT, "study", storage, CPU).close(outcome, said)
    time.sleep(0.002)
    Ledger(UNIT, "study", storage, replace(CPU, world=workers, hosts=workers))
    first, _, last = rows(storage)
    assert (first["start_reason"], first["hosts"]) == ("first", 1)
    assert (last["start_reason"], last["hosts"]) == (reason, workers)


@pytest.mark.parametrize(
    ("error", "reason"), [(TrainingInterruptedError, "interrupted"), (PreemptedError, "preemption")]
)
def test_a_users_signal_and_a_preemption_are_told_apart(storage: Storage, error: type[Exception], reason: str) -> None:
    """In the row of the attempt that was ended, and by the start after it."""
    with pytest.raises(error), attempt(UNIT, "study", storage, CPU):
        raise error("stopped after step 3")
    time.sleep(0.002)
    Ledger(UNIT, "study", storage, CPU)
    ended, again = rows(storage)
    assert (ended["outcome"], ended["reason"]) == ("interrupted", f"{error.__name__}: stopped after step 3")
    assert again["start_reason"] == reason


def test_only_the_first_worker_writes(storage: Storage) -> None:
    Ledger(UNIT, "study", storage, Device("cpu", "cpu", Execution("fp32"), cores=1, rank=1, world=2))
    assert rows(storage) == []

"""Closing the accounts of attempts that were killed: what they did is read from what they left.

A killed attempt's row says 'running', and is as old as its last heartbeat. Its newest checkpoint carries the account of
the moment of that commit, and the rows of its unit say whether it came to the end. So the next attempt at the unit, or
the next driver, knows which of its steps are kept and what they took.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scaling.checks import say
from scaling.store.directories import open_directory
from scaling.store.results import DamagedRowsError, finished_ids, read_row, row_file, write_rows
from scaling.store.schemas import UNIT_TABLES
from scaling.store.steps import step_checkpoints
from scaling.store.storage import Storage

Account = Mapping[str, Any]  # columns of an attempt's row, as they were at a commit
CARRIED = ("attempt_id", "committed_step", "train_flops_valid")  # by a checkpoint, besides the clocks
CLOCKS = ("seconds_total", "seconds_training", "seconds_evaluating", "seconds_waiting")
UNSEEN_SECONDS = 2.0  # by which a sign of life can be younger than its row, which is written each second
KILLED = "its process ended without closing its account"


def settle_attempts(storage: Storage) -> None:
    """Close the accounts of all attempts that no process works on any more: call it under the lease."""
    from scaling.store.frames import readable_attempts  # here: workers import this module, and never polars

    attempts = readable_attempts(storage)
    for unit_id in sorted(set(attempts.filter(outcome="running")["unit_id"])):
        settle_unit(storage, attempts.filter(unit_id=unit_id).sort("started").to_dicts())


def has_open_accounts(storage: Storage) -> bool:
    """Whether an attempt's row says that it runs."""
    from scaling.store.frames import readable_attempts

    return "running" in readable_attempts(storage, ["outcome"])["outcome"]


def earlier_attempts(storage: Storage, unit_id: str) -> list[dict[str, Any]]:
    """The rows of a unit's attempts so far that can be read, in the order of their starts."""
    rows = []
    for name in finished_ids(storage, "attempt"):
        if name.startswith(f"{unit_id}-"):
            try:
                rows.append(read_row(storage, "attempt", name))
            except DamagedRowsError as error:  # of the account: no reason to do no work
                say([f"{error}: left out here"])
    return sorted((row for row in rows if row), key=lambda row: row["started"])


def settle_unit(storage: Storage, rows: Sequence[Mapping[str, Any]], reason: str = KILLED) -> None:
    """`settle` by the newest checkpoint that the unit's attempts have left."""
    if rows:
        settle(storage, rows, *_newest(storage, rows[0]["unit_id"]), reason)


def settle(
    storage: Storage, rows: Sequence[Mapping[str, Any]], step: int, account: Account | None, reason: str = KILLED
) -> None:
    """Close the accounts of one unit's attempts, all of which have ended, and keep them true.

    Args:
        storage: where they lie.
        rows: all attempts at the unit, in the order of their starts.
        step: the step of the newest checkpoint that is whole, or 0. Steps after it are kept only by the unit's rows.
        account: of the attempt that wrote this checkpoint, when it did.
        reason: why those that say 'running' have ended.
    """
    running = [row for row in rows if row["outcome"] == "running"]
    result = _result(storage, rows[0]) if running else None
    step = max(step, _steps(result)) if result else step  # checkpoints go when the rows are there
    kept = 0  # steps that the attempts before have kept: a row is older than that if its attempt had not begun to train
    for row in rows:
        closed = _closed(row, step, account, _seen(storage, row), reason)
        if row["outcome"] == "running" and row is rows[-1] and _came_to(result, row, max(kept, row["first_step"])):
            closed = _finished(closed, result)
        kept = max(kept, closed["committed_step"])
        if closed != row:
            write_rows(storage, "attempt", [closed])


def _closed(row: Mapping[str, Any], step: int, account: Account | None, seen: float, reason: str) -> dict[str, Any]:
    """A row whose committed steps are those that a checkpoint up to `step` holds, closed if it was open."""
    closed = dict(row)
    mine = account is not None and account["attempt_id"] == row["attempt_id"]
    if mine:
        assert account is not None
        for clock in CLOCKS:
            closed[clock] = max(row[clock], account[clock])
        closed["committed_step"] = account["committed_step"]
        closed["train_flops_valid"] = account["train_flops_valid"]
        closed["seconds_lost"] = closed["seconds_training"] - account["seconds_training"]
    elif row["outcome"] != "done" and max(step, row["first_step"]) < row["committed_step"]:  # it was damaged
        kept, committed = max(step - row["first_step"], 0), row["committed_step"] - row["first_step"]
        closed["committed_step"] = row["first_step"] + kept
        closed["train_flops_valid"] = row["train_flops_valid"] * kept / committed
        productive = row["seconds_training"] - row["seconds_lost"]
        closed["seconds_lost"] = row["seconds_training"] - productive * kept / committed
    closed["last_step"] = max(row["last_step"], closed["committed_step"])
    if row["outcome"] == "running":
        closed["seconds_total"] = max(closed["seconds_total"], seen)
        closed["outcome"], closed["reason"] = "killed", reason
    return closed


def _finished(row: Mapping[str, Any], result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The row of an attempt that was killed after it had written its unit's rows: it was done."""
    assert result is not None
    steps = _steps(result)
    flops = (steps - row["first_step"]) * result["train_flops_valid"] / result["steps"] if steps else 0.0
    done = {"outcome": "done", "reason": "", "last_step": steps, "committed_step": steps}
    return {**row, **done, "seconds_lost": 0.0, "train_flops_valid": flops}


def _result(storage: Storage, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row that an attempt is made for, if it is there."""
    return read_row(storage, row["kind"], row["unit_id"]) if row["kind"] in UNIT_TABLES else None


def _came_to(result: Mapping[str, Any] | None, row: Mapping[str, Any], first: int) -> bool:
    """Whether the result is of this attempt, from step `first`: a trial that pauses at rungs has earlier results."""
    return result is not None and (row["kind"] in ("fewshot", "metric") or _steps(result) > first)


def _steps(result: Mapping[str, Any]) -> int:
    steps: int = result.get("steps_done") or result.get("steps") or 0
    return steps


def _seen(storage: Storage, row: Mapping[str, Any]) -> float:
    """Seconds from an attempt's start to its last sign of life: on a disk each heartbeat touches the row's file."""
    known: float = row["seconds_total"]
    if storage.local is None or row["outcome"] != "running":
        return known
    touched = (storage.local / row_file("attempt", row["attempt_id"])).stat().st_mtime
    seen: float = touched - row["started"].timestamp()
    return min(max(known, seen), known + UNSEEN_SECONDS)  # no more than it can be: a copied file has another time


def _newest(storage: Storage, unit_id: str) -> tuple[int, Account | None]:
    """The step of a unit's newest checkpoint, and the account in it."""
    for name in reversed(step_checkpoints(storage, unit_id)):
        try:
            state = json.loads(open_directory(storage, name).read("state.json"))
            account = state.get("account")
            return int(state["step"]), None if account is None else {
                column: account[column] for column in (*CARRIED, *CLOCKS)
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # damaged: the resume says so
            continue
    return 0, None

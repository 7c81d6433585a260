"""Checkpoints of units: which steps there are, and the removal of those that nothing needs any more."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from scaling.checks import NAME
from scaling.store.lease import lease
from scaling.store.results import checkpoint_name, finished_ids, read_row
from scaling.store.storage import Storage

CHECKPOINTS = "checkpoints"
STEP = re.compile(r"[0-9]{9}")  # padded, so that sorted names are in the order of steps


def step_checkpoints(storage: Storage, unit_id: str) -> list[str]:
    """Directories of the committed states of an unfinished training, by step."""
    return [name for name in _states(storage, unit_id) if storage.committed(name)]


def _states(storage: Storage, unit_id: str) -> list[str]:
    """Those that are half written too, as they can be on an object store."""
    root = PurePosixPath(checkpoint_name(unit_id)).parent.as_posix()
    return [checkpoint_name(unit_id, step) for step in storage.list(root) if STEP.fullmatch(step)]


def clear_checkpoints(storage: Storage, unit_id: str) -> None:
    """Remove the checkpoints of a finished training; final weights stay where there are some."""
    for name in _states(storage, unit_id):
        storage.delete(name)
    if not storage.committed(checkpoint_name(unit_id)):
        storage.delete(PurePosixPath(checkpoint_name(unit_id)).parent.as_posix())


def clear_finished(storage: Storage) -> None:
    """Do what processes did not come to that were killed between a unit's row and the clearing of its checkpoints."""
    for unit_id in _uncleared(storage):
        clear_checkpoints(storage, unit_id)


def clear_leftovers(storage: Storage, work: str) -> None:
    """`clear_finished` of a storage where nothing else is to do, under its lease; nothing if another process has it."""
    if next(_uncleared(storage), None) is not None:
        with contextlib.suppress(ValueError), lease(storage, work) as held:
            clear_finished(held)


def _uncleared(storage: Storage) -> Iterator[str]:
    """Units that have ended by their rows, and have checkpoints of steps or an empty directory."""
    there = {name for name in storage.list(CHECKPOINTS) if NAME.fullmatch(name)}
    if not there:
        return
    for table in ("pretrain", "transfer", "trial"):
        for unit_id in sorted(there & finished_ids(storage, table)):
            if not storage.list(f"{CHECKPOINTS}/{unit_id}") or _states(storage, unit_id):
                row = read_row(storage, table, unit_id) if table == "trial" else None
                if row is None or row["steps_done"] == row["steps"]:  # at a rung a trial goes on from its checkpoint
                    yield unit_id

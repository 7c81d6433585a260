"""What killed processes have left undone: accounts that are open, checkpoints that nothing needs any more."""

import contextlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from scaling.checks import NAME
from scaling.store.accounts import has_open_accounts, settle_attempts
from scaling.store.lease import lease
from scaling.store.results import checkpoint_name, finished_ids, read_row
from scaling.store.steps import begun_checkpoints
from scaling.store.storage import Storage

CHECKPOINTS = "checkpoints"


def clear_checkpoints(storage: Storage, unit_id: str) -> None:
    """Remove the checkpoints of a finished training; final weights stay where there are some."""
    for name in begun_checkpoints(storage, unit_id):
        storage.delete(name)
    if not storage.committed(checkpoint_name(unit_id)):
        storage.delete(PurePosixPath(checkpoint_name(unit_id)).parent.as_posix())


def clear_later(storage: Storage, unit_id: str, step: int) -> None:
    """Remove the checkpoints of later steps: of a trial whose row is lost, and whose rungs are done again."""
    for name in begun_checkpoints(storage, unit_id):
        if int(PurePosixPath(name).name) > step:
            storage.delete(name)


def clear_finished(storage: Storage) -> None:
    """Do what killed processes did not come to: close their accounts, clear the checkpoints of units that have ended.

    Call it under the lease, when nothing works on the storage yet.
    """
    settle_attempts(storage)  # first: it reads the checkpoints
    for unit_id in _uncleared(storage):
        clear_checkpoints(storage, unit_id)


def clear_leftovers(storage: Storage, work: str) -> None:
    """`clear_finished` of a storage where nothing else is to do, under its lease; nothing if another process has it."""
    if next(_uncleared(storage), None) is not None or has_open_accounts(storage):
        with contextlib.suppress(ValueError), lease(storage, work) as held:
            clear_finished(held)


def _uncleared(storage: Storage) -> Iterator[str]:
    """Units that have ended by their rows, and have checkpoints of steps or an empty directory."""
    there = {name for name in storage.list(CHECKPOINTS) if NAME.fullmatch(name)}
    if not there:
        return
    for table in ("pretrain", "transfer", "trial"):
        for unit_id in sorted(there & finished_ids(storage, table)):
            if not storage.list(f"{CHECKPOINTS}/{unit_id}") or begun_checkpoints(storage, unit_id):
                row = read_row(storage, table, unit_id) if table == "trial" else None
                if row is None or row["steps_done"] == row["steps"]:  # at a rung a trial goes on from its checkpoint
                    yield unit_id

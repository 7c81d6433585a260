"""Where a study lives: its storage, the rows of finished units, the lease, and the commands that worked on it.

Functions that return frames of many rows load with their first use: they need polars, which workers never import.
"""

from typing import TYPE_CHECKING, Any

from scaling.store.accounts import CLOCKS, earlier_attempts, settle, settle_unit
from scaling.store.clutter import is_clutter
from scaling.store.directories import DAMAGED, Committed, commit_directory, open_directory, set_aside
from scaling.store.errors import LostLeaseError, StorageError
from scaling.store.lease import lease, lease_holder
from scaling.store.leftovers import clear_checkpoints, clear_finished, clear_later, clear_leftovers
from scaling.store.manifest import DamagedError
from scaling.store.place import check_lasting, check_place
from scaling.store.provenance import (
    Command,
    command_typed,
    record_command,
    recorded_commands,
    refuse_secrets,
    without_secrets,
)
from scaling.store.results import (
    checkpoint_name,
    finished_ids,
    read_row,
    read_rows,
    row_file,
    write_row_file,
    write_rows,
)
from scaling.store.schemas import TABLES, UNIT_TABLES
from scaling.store.steps import step_checkpoints
from scaling.store.storage import Storage
from scaling.store.uri import still_environment

if TYPE_CHECKING:
    from scaling.store.frames import attempts_of, best_trials, open_attempts, read_table, skipped_images

__all__ = [
    "CLOCKS",
    "DAMAGED",
    "TABLES",
    "UNIT_TABLES",
    "Command",
    "Committed",
    "DamagedError",
    "LostLeaseError",
    "Storage",
    "StorageError",
    "attempts_of",
    "best_trials",
    "check_lasting",
    "check_place",
    "checkpoint_name",
    "clear_checkpoints",
    "clear_finished",
    "clear_later",
    "clear_leftovers",
    "command_typed",
    "commit_directory",
    "earlier_attempts",
    "finished_ids",
    "is_clutter",
    "lease",
    "lease_holder",
    "open_attempts",
    "open_directory",
    "read_row",
    "read_rows",
    "read_table",
    "record_command",
    "recorded_commands",
    "refuse_secrets",
    "row_file",
    "set_aside",
    "settle",
    "settle_unit",
    "skipped_images",
    "step_checkpoints",
    "still_environment",
    "without_secrets",
    "write_row_file",
    "write_rows",
]


def __getattr__(name: str) -> Any:
    if name not in ("attempts_of", "best_trials", "open_attempts", "read_table", "skipped_images"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scaling.store import frames

    return getattr(frames, name)

"""Where a study lives: its storage, the rows of finished units, the lease, and the commands that worked on it.

Functions that return frames of many rows load with their first use: they need polars, which workers never import.
"""

from typing import TYPE_CHECKING, Any

from scaling.store.clutter import is_clutter
from scaling.store.lease import lease, lease_holder
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
from scaling.store.storage import DRAFTS, Storage

if TYPE_CHECKING:
    from scaling.store.frames import best_trials, open_attempts, read_table, skipped_images

__all__ = [
    "DRAFTS",
    "TABLES",
    "UNIT_TABLES",
    "Command",
    "Storage",
    "best_trials",
    "check_lasting",
    "check_place",
    "checkpoint_name",
    "command_typed",
    "finished_ids",
    "is_clutter",
    "lease",
    "lease_holder",
    "open_attempts",
    "read_row",
    "read_rows",
    "read_table",
    "record_command",
    "recorded_commands",
    "refuse_secrets",
    "row_file",
    "skipped_images",
    "without_secrets",
    "write_row_file",
    "write_rows",
]


def __getattr__(name: str) -> Any:
    if name not in ("best_trials", "open_attempts", "read_table", "skipped_images"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scaling.store import frames

    return getattr(frames, name)

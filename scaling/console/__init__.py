"""What people see of a run: the command line, progress, the table of a search, trackers."""

from scaling.console.cli import IN_JOB, USER_ERROR, Machine, command_line, console, storage_of
from scaling.console.grid_table import (
    GridTable,
    TrialRow,
    accuracy_text,
    finals_of,
    grid_table,
    number_text,
    trial_rows,
)
from scaling.console.progress import Phase, View, phase
from scaling.console.trackers import Log, Tracking, event_files, run_directory, scalars

__all__ = [
    "IN_JOB",
    "USER_ERROR",
    "GridTable",
    "Log",
    "Machine",
    "Phase",
    "Tracking",
    "TrialRow",
    "View",
    "accuracy_text",
    "command_line",
    "console",
    "event_files",
    "finals_of",
    "grid_table",
    "number_text",
    "phase",
    "run_directory",
    "scalars",
    "storage_of",
    "trial_rows",
]

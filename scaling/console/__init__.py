"""What people see of a run: the command line, progress, the table of a search, trackers."""

from scaling.console.arguments import check_flag, check_flags, parse, parse_command
from scaling.console.cli import IN_JOB, USER_ERROR, Machine, command_line, console, exit_code, storage_of
from scaling.console.grid_table import (
    GridTable,
    TrialRow,
    accuracy_text,
    finals_of,
    grid_table,
    number_text,
    trial_rows,
)
from scaling.console.outcome import first_line, helping, said_missing
from scaling.console.output import guard_output, output_lost
from scaling.console.plain import PlainConsole
from scaling.console.progress import Phase, View, phase
from scaling.console.trackers import Log, Tracking, event_files, run_directory, scalars
from scaling.console.wide_table import WideTable

__all__ = [
    "IN_JOB",
    "USER_ERROR",
    "GridTable",
    "Log",
    "Machine",
    "Phase",
    "PlainConsole",
    "Tracking",
    "TrialRow",
    "View",
    "WideTable",
    "accuracy_text",
    "check_flag",
    "check_flags",
    "command_line",
    "console",
    "event_files",
    "exit_code",
    "finals_of",
    "first_line",
    "grid_table",
    "guard_output",
    "helping",
    "number_text",
    "output_lost",
    "parse",
    "parse_command",
    "phase",
    "run_directory",
    "said_missing",
    "scalars",
    "storage_of",
    "trial_rows",
]

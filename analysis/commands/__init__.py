"""What `python -m analysis` does: a module for each command, with its Options and run(options).

What takes long to import is imported inside the functions, so that `--help` and a mistake are answered at once.
"""

from types import ModuleType

from analysis.commands import (
    adopt,
    core_days,
    costs,
    fit,
    frontier,
    inspection,
    next,
    paper,
    ratios,
    report,
    schedule,
    vtab,
    zoo,
)

COMMANDS: dict[str, ModuleType] = {
    "report": report,
    "frontier": frontier,
    "core-days": core_days,
    "costs": costs,
    "schedule": schedule,
    "inspection": inspection,
    "paper": paper,
    "vtab": vtab,
    "zoo": zoo,
    "fit": fit,
    "next": next,
    "ratios": ratios,
    "adopt": adopt,
}

__all__ = ["COMMANDS"]

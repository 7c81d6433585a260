"""What `python -m analysis` prints, a module a command."""

from analysis.commands.adopt import ROLES, adopt
from analysis.commands.core_days import run_core_days
from analysis.commands.fit import add_fit_commands
from analysis.commands.ratios import run_ratios

__all__ = [
    "ROLES",
    "add_fit_commands",
    "adopt",
    "run_core_days",
    "run_ratios",
]

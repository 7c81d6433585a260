"""Core-days: what was used, what was planned, what was measured."""

from analysis.accounting.core_days import (
    CAUSES,
    TIME_PARTS,
    core_time_account,
    core_time_by_family,
    core_time_by_kind,
    core_time_by_model,
    core_time_by_run,
    core_time_losses,
    inconsistent_costs,
    mixed_devices_note,
)
from analysis.accounting.measured import GIB, MEASURED_COLUMNS, measurements_table, newest_measurements
from analysis.accounting.plan import Rates, measured_rates, plan_study, render_plan
from analysis.accounting.plan_vs_actual import against_plan, mishaps, plan_vs_actual_by_family, restarts, stored_study

__all__ = [
    "CAUSES",
    "GIB",
    "MEASURED_COLUMNS",
    "TIME_PARTS",
    "Rates",
    "against_plan",
    "core_time_account",
    "core_time_by_family",
    "core_time_by_kind",
    "core_time_by_model",
    "core_time_by_run",
    "core_time_losses",
    "inconsistent_costs",
    "measured_rates",
    "measurements_table",
    "mishaps",
    "mixed_devices_note",
    "newest_measurements",
    "plan_study",
    "plan_vs_actual_by_family",
    "render_plan",
    "restarts",
    "stored_study",
]

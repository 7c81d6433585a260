"""Core-days: what a study was planned to cost, what it used, and what models cost by measurement."""

from analysis.accounting.consistency import inconsistent_costs, mixed_devices_note
from analysis.accounting.core_days import (
    TIME_PARTS,
    core_time_account,
    core_time_by_family,
    core_time_by_kind,
    core_time_by_model,
    core_time_by_run,
    occupied_seconds,
)
from analysis.accounting.losses import CAUSES, core_time_losses
from analysis.accounting.measured import measurements_table, newest_measurements
from analysis.accounting.plan import plan_study
from analysis.accounting.plan_text import render_plan
from analysis.accounting.plan_vs_actual import (
    against_plan,
    mishaps,
    mishaps_text,
    plan_vs_actual_by_family,
    restarts,
)
from analysis.accounting.rates import Rates, measured_rates

__all__ = [
    "CAUSES",
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
    "mishaps_text",
    "mixed_devices_note",
    "newest_measurements",
    "occupied_seconds",
    "plan_study",
    "plan_vs_actual_by_family",
    "render_plan",
    "restarts",
]

"""Which units of work a study still has to do, by its rows alone."""

from scaling.schedule.code import check_code, record_code
from scaling.schedule.counted import count_study
from scaling.schedule.pairs import (
    Pair,
    check_units,
    evaluation_runs,
    final_runs,
    fixed_settings,
    planned_trials,
    search_pairs,
)
from scaling.schedule.pending import (
    Checkpoints,
    checkpoint_of,
    is_finished,
    missing_evaluations,
    missing_finals,
    missing_probes,
    missing_runs,
    open_searches,
    trial_results,
    without_result,
)
from scaling.schedule.sampler import RESULT_COLUMNS, Result, Results, check_sampler, objectives, result_of
from scaling.schedule.status import render_status, study_status
from scaling.schedule.trials import Trial, chosen_settings, due_trials, known_settings, trials_left

__all__ = [
    "RESULT_COLUMNS",
    "Checkpoints",
    "Pair",
    "Result",
    "Results",
    "Trial",
    "check_code",
    "check_sampler",
    "check_units",
    "checkpoint_of",
    "chosen_settings",
    "count_study",
    "due_trials",
    "evaluation_runs",
    "final_runs",
    "fixed_settings",
    "is_finished",
    "known_settings",
    "missing_evaluations",
    "missing_finals",
    "missing_probes",
    "missing_runs",
    "objectives",
    "open_searches",
    "planned_trials",
    "record_code",
    "render_status",
    "result_of",
    "search_pairs",
    "study_status",
    "trial_results",
    "trials_left",
    "without_result",
]

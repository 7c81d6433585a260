"""Models, families and settings beside each other: frontier, ratios, sweeps, VTAB."""

from analysis.compare.frontier import frontier, mean_over_tasks
from analysis.compare.paper_runs import SHAPE_FIELDS, fewshot_accuracies, paper_runs
from analysis.compare.ratio_answers import doubling_table, published_ratios, ratio_answer, ratio_table
from analysis.compare.ratios import (
    BELOW,
    BEYOND,
    INTERIOR,
    MANY,
    by_task,
    compared,
    default_tasks,
    doublings,
    points,
    summary,
)
from analysis.compare.sweeps import (
    PAIR_KEYS,
    importance_sentences,
    sweep_sentences,
    sweeps_of,
    sweeps_table,
    varied_parameters,
    with_names_of_pairs,
)
from analysis.compare.vtab import VTAB_GROUPS, VTAB_MEAN, published_vtab, vtab_scores, vtab_scores_table, vtab_top1

__all__ = [
    "BELOW",
    "BEYOND",
    "INTERIOR",
    "MANY",
    "PAIR_KEYS",
    "SHAPE_FIELDS",
    "VTAB_GROUPS",
    "VTAB_MEAN",
    "by_task",
    "compared",
    "default_tasks",
    "doubling_table",
    "doublings",
    "fewshot_accuracies",
    "frontier",
    "importance_sentences",
    "mean_over_tasks",
    "paper_runs",
    "points",
    "published_ratios",
    "published_vtab",
    "ratio_answer",
    "ratio_table",
    "summary",
    "sweep_sentences",
    "sweeps_of",
    "sweeps_table",
    "varied_parameters",
    "vtab_scores",
    "vtab_scores_table",
    "vtab_top1",
    "with_names_of_pairs",
]

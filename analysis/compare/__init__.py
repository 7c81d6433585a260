"""Models, families and hyperparameters compared: frontier, compute ratios, searches, VTAB, the paper's ablations."""

from analysis.compare.frontier import frontier, mean_over_tasks
from analysis.compare.importance import importance_sentences
from analysis.compare.paper_runs import fewshot_accuracies, paper_runs, shape_lines
from analysis.compare.ratio_answers import published_ratios, ratio_answer
from analysis.compare.ratio_text import doubling_table, ratio_table
from analysis.compare.ratios import is_papers_comparison
from analysis.compare.spread import PRINTED, WITHIN, compared, is_known
from analysis.compare.sweep_text import sweep_sentences, sweeps_table
from analysis.compare.sweeps import best_at_learning_rates, sweeps_of, varied_parameters
from analysis.compare.vtab import published_vtab, vtab_group_means, vtab_scores, vtab_scores_table, vtab_top1

__all__ = [
    "PRINTED",
    "WITHIN",
    "best_at_learning_rates",
    "compared",
    "doubling_table",
    "fewshot_accuracies",
    "frontier",
    "importance_sentences",
    "is_known",
    "is_papers_comparison",
    "mean_over_tasks",
    "paper_runs",
    "published_ratios",
    "published_vtab",
    "ratio_answer",
    "ratio_table",
    "shape_lines",
    "sweep_sentences",
    "sweeps_of",
    "sweeps_table",
    "varied_parameters",
    "vtab_group_means",
    "vtab_scores",
    "vtab_scores_table",
    "vtab_top1",
]

"""The rows of a storage as frames, and the accuracies made of them."""

from analysis.rows.accuracies import (
    EXA,
    MEAN,
    accuracies,
    best_on_curves,
    fewshot_means,
    final_accuracies,
    headline_task,
    pretraining_pairs,
    shown_task,
    tasks_of,
)
from analysis.rows.load import Rows, load_rows, open_rows
from analysis.rows.merge import with_rows_of
from analysis.rows.metrics import metric_means
from analysis.rows.models import merge_seeds, models_by_run, with_display_name, with_pretraining, with_run_names
from analysis.rows.published import PAPER_FIGURES, PUBLISHED, is_published, printed_table, published_storage
from analysis.rows.study import stored_study
from analysis.rows.text_table import read_csv
from analysis.rows.thinning import (
    OPEN_ROWS,
    PANEL_LINES,
    TABLE_ROWS,
    at_most,
    fewer_points,
    is_crowded,
    spread_over,
    thin_panels,
)

__all__ = [
    "EXA",
    "MEAN",
    "OPEN_ROWS",
    "PANEL_LINES",
    "PAPER_FIGURES",
    "PUBLISHED",
    "TABLE_ROWS",
    "Rows",
    "accuracies",
    "at_most",
    "best_on_curves",
    "fewer_points",
    "fewshot_means",
    "final_accuracies",
    "headline_task",
    "is_crowded",
    "is_published",
    "load_rows",
    "merge_seeds",
    "metric_means",
    "models_by_run",
    "open_rows",
    "pretraining_pairs",
    "printed_table",
    "published_storage",
    "read_csv",
    "shown_task",
    "spread_over",
    "stored_study",
    "tasks_of",
    "thin_panels",
    "with_display_name",
    "with_pretraining",
    "with_rows_of",
    "with_run_names",
]

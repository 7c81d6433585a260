"""Charts of the rows, in Altair."""

from analysis.figures.accuracy import frontier_chart, pretraining_chart
from analysis.figures.costs import costs_chart
from analysis.figures.files import chart_images, write_charts, write_tables
from analysis.figures.inspection import inspection_charts, load_inspections
from analysis.figures.laws import laws_chart
from analysis.figures.lines import HEIGHT, core_days_chart, curves_chart, end_labels, fewshot_chart
from analysis.figures.paper import paper_charts
from analysis.figures.style import (
    NothingToDrawError,
    Scales,
    data,
    extent,
    family_scales,
    log_ticks,
    panel_title,
    styled,
    titled,
)
from analysis.figures.sweeps import response_chart

__all__ = [
    "HEIGHT",
    "NothingToDrawError",
    "Scales",
    "chart_images",
    "core_days_chart",
    "costs_chart",
    "curves_chart",
    "data",
    "end_labels",
    "extent",
    "family_scales",
    "fewshot_chart",
    "frontier_chart",
    "inspection_charts",
    "laws_chart",
    "load_inspections",
    "log_ticks",
    "panel_title",
    "paper_charts",
    "pretraining_chart",
    "response_chart",
    "styled",
    "titled",
    "write_charts",
    "write_tables",
]

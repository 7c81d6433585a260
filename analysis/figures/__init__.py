"""Charts of the rows, in Altair: a file per figure, in one common look."""

from analysis.figures.core_days import core_days_chart
from analysis.figures.costs import costs_chart
from analysis.figures.curves import curves_chart
from analysis.figures.evaluations import evaluations_chart
from analysis.figures.fewshot import fewshot_chart
from analysis.figures.files import chart_images, write_charts
from analysis.figures.frontier import frontier_chart
from analysis.figures.inspection import inspection_charts, load_inspections
from analysis.figures.laws import laws_chart
from analysis.figures.paper import paper_charts
from analysis.figures.pretraining import pretraining_chart
from analysis.figures.schedule import schedule_chart
from analysis.figures.style import NothingToDrawError
from analysis.figures.sweeps import response_chart

__all__ = [
    "NothingToDrawError",
    "chart_images",
    "core_days_chart",
    "costs_chart",
    "curves_chart",
    "evaluations_chart",
    "fewshot_chart",
    "frontier_chart",
    "inspection_charts",
    "laws_chart",
    "load_inspections",
    "paper_charts",
    "pretraining_chart",
    "response_chart",
    "schedule_chart",
    "write_charts",
]

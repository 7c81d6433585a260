"""Tables as frames of text cells, and their renderers: HTML, Markdown, LaTeX and the terminal."""

from analysis.tables.account import account_table, losses_table
from analysis.tables.cells import percent, to_html, to_markdown, to_rich
from analysis.tables.evaluations import evaluations_table
from analysis.tables.files import write_tables
from analysis.tables.frontier import frontier_table
from analysis.tables.paper import paper_tables
from analysis.tables.results import results_table
from analysis.tables.zoo import zoo_page

__all__ = [
    "account_table",
    "evaluations_table",
    "frontier_table",
    "losses_table",
    "paper_tables",
    "percent",
    "results_table",
    "to_html",
    "to_markdown",
    "to_rich",
    "write_tables",
    "zoo_page",
]

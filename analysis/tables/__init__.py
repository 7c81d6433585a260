"""Tables of text cells, as HTML, Markdown, LaTeX and for the terminal."""

from analysis.tables.cells import (
    account_table,
    frontier_table,
    losses_table,
    percent,
    results_table,
    to_html,
    to_latex,
    to_markdown,
    to_rich,
)
from analysis.tables.paper import paper_tables
from analysis.tables.zoo import zoo_page

__all__ = [
    "account_table",
    "frontier_table",
    "losses_table",
    "paper_tables",
    "percent",
    "results_table",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_rich",
    "zoo_page",
]

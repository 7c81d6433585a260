"""`python -m analysis ratios`: compute ratios between families as one JSON value, or as tables and sentences."""

import argparse
from collections.abc import Callable
from typing import Any

import polars as pl

from analysis.compare import (
    doubling_table,
    ratio_answer,
    ratio_table,
)
from analysis.names import family_name
from analysis.rows import TABLE_ROWS, accuracies, load_rows, with_rows_of


def run_ratios(
    options: argparse.Namespace, print_json: Callable[[Any], None], print_table: Callable[[pl.DataFrame, str], None]
) -> None:
    """The command: `options` has storage, of, against, tasks (a,b,… or None) and json."""
    rows = with_rows_of(load_rows(options.storage), options.beside)
    wanted = None if options.tasks is None else [name.strip() for name in options.tasks.split(",") if name.strip()]
    found = ratio_answer(rows, accuracies(rows), wanted, options.of, options.against)
    if options.json:
        print_json(found)
    else:
        show(found, print_table)


# --- for people ----------------------------------------------------------------------------------------------------


def show(found: dict[str, Any], print_table: Callable[[pl.DataFrame, str], None]) -> None:
    """Print the answer: a table a pair, its sentences, what a doubling adds, the notes."""
    where = ", ".join(found["tasks"])
    for pair in found["comparisons"]:
        if pair["points_beside"]:
            title = f"{family_name(pair['of'])} against the {family_name(pair['against'])} frontier: {where}"
            print_table(ratio_table(pair)[:TABLE_ROWS], title)
        print("\n".join(pair["sentences"]), end="\n\n")
    if found["doublings"]:
        print_table(
            doubling_table(found["doublings"])[:TABLE_ROWS], "Gain per doubling of compute, along each frontier"
        )
    print("\n".join(found["notes"]))

"""`python -m analysis ratios`: compute ratios between families as one JSON value, or as tables and sentences."""

from dataclasses import dataclass
from typing import Any

import tyro

from analysis.commands.places import names_of
from analysis.commands.printing import print_json, print_table


@dataclass(frozen=True)
class Options:
    """Say how much compute one family needs for the accuracy of another; gain at equal compute and per doubling.

    python -m analysis ratios results/quickstart
    python -m analysis ratios published --of vit --against resnet --tasks imagenet
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows; published: the ViT paper's own."""
    of: str | None = None
    """The family whose points are judged. Default: each."""
    against: str | None = None
    """The family whose frontier they are judged by. Default: each."""
    tasks: str | None = None
    """Data sets to average, a,b,... Default: the ViT paper's five when all are there, or else all."""
    beside: str | None = None
    """Other rows to show side by side, such as published."""
    json: bool = False
    """Print one JSON value instead of text."""


def run(options: Options) -> None:
    from analysis.compare import ratio_answer
    from analysis.rows import accuracies, load_rows, with_rows_of

    rows = with_rows_of(load_rows(options.storage), options.beside)
    answer = ratio_answer(rows, accuracies(rows), names_of(options.tasks), options.of, options.against)
    if options.json:
        print_json(answer)
    else:
        show(answer)


# --- for people ----------------------------------------------------------------------------------------------------


def show(answer: dict[str, Any]) -> None:
    """Print the answer: a table a pair, its sentences, what a doubling adds, the notes."""
    from analysis.compare import doubling_table, ratio_table
    from analysis.names import family_name
    from analysis.rows import TABLE_ROWS

    where = ", ".join(answer["tasks"])
    for pair in answer["comparisons"]:
        if pair["points_beside"]:
            title = f"{family_name(pair['of'])} against the {family_name(pair['against'])} frontier: {where}"
            print_table(ratio_table(pair)[:TABLE_ROWS], title)
        print("\n".join(pair["sentences"]), end="\n\n")
    if answer["doublings"]:
        print_table(
            doubling_table(answer["doublings"])[:TABLE_ROWS], "Gain per doubling of compute, along each frontier"
        )
    print("\n".join(answer["notes"]))

"""`python -m analysis report|frontier|ratios|core-days|costs|inspection|paper|vtab STORAGE`: read a study's rows.

STORAGE is a path or a URI. `python -m analysis zoo` prints the named models with their sizes and costs.
`python -m analysis fit|next FILE|STORAGE` fits scaling laws to any table and says what to run next.
"""

import argparse
import json
import math
import os
import sys
from typing import Any

import polars as pl

from analysis.commands import add_fit_commands
from analysis.compare import frontier, mean_over_tasks
from analysis.rows import (
    PAPER_FIGURES,
    PUBLISHED,
    accuracies,
    at_most,
    is_published,
    load_rows,
    open_rows,
    published_storage,
    tasks_of,
    with_rows_of,
)

STORAGE = "path or URI that holds the rows; published: the ViT paper's own"
WIDE = 1000  # characters of a line where there is no terminal: tables are as wide as they are
BESIDE = "other rows to show side by side, such as published"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0, or 2 with one line on stderr for what a user got wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except BrokenPipeError:  # a reader such as head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="What the rows of a study show.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("report", _report, "write report.html and figures/ into the storage"),
        ("frontier", _frontier, "accuracies and the Pareto frontier by task"),
        ("core-days", _core_days, "occupied, productive and lost core time"),
        ("costs", _costs, "measured speed and memory of models (rows of scaling.measure), as figures/costs.*"),
        ("inspection", _inspection, "draw what models look at, from rows of scaling.inspection, into figures/"),
        ("paper", _paper, "draw the ViT paper's figures and tables from the rows, into paper/"),
        ("vtab", _vtab, "VTAB-1k scores by task, group and mean, beside the ViT paper's"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("storage", metavar="STORAGE", help=STORAGE)
        if run in (_report, _inspection, _paper):
            command.add_argument("--out", metavar="DIR", help="write there instead of into the storage")
        else:
            command.add_argument("--json", action="store_true", help="print JSON")
        if run is _frontier:
            command.add_argument("--tasks", metavar="TASKS", help="only their mean: data sets a,b,…")
        if run in (_report, _frontier, _paper):
            command.add_argument("--beside", metavar="STORAGE", help=BESIDE)
        command.set_defaults(run=run)
    text = "the named models, their parameters and MACs, as Markdown"
    commands.add_parser("zoo", help=text, description=text).set_defaults(run=_zoo)
    add_fit_commands(commands, _print_json)
    _add_ratios(commands)
    _add_adopt(commands)
    return parser


def _add_adopt(commands: Any) -> None:
    from analysis.commands import ROLES

    text = "turn a CSV or Parquet file of someone else's runs into rows"
    roles = "; ".join(f"{role}: {what}" for role, (what, _) in ROLES.items())
    command = commands.add_parser("adopt", help=text, description=f"{text}. Roles: {roles}.")
    command.add_argument("file", metavar="FILE", help="a .csv, .tsv or .parquet file, a row a run")
    text = "such as name=model family=arch compute=flops:exaFLOPs accuracy=top1:percent"
    command.add_argument("--map", nargs="+", action="extend", required=True, metavar="ROLE=COLUMN[:UNIT]", help=text)
    command.add_argument("--out", required=True, metavar="STORAGE", help="path or URI for the rows")
    command.set_defaults(run=_adopt)


def _adopt(options: argparse.Namespace) -> None:
    from analysis.commands import adopt
    from scaling.store import Storage

    place = Storage.of(options.out)
    models, finals, without = adopt(options.file, options.map, place)
    lacking = f"; {without:,} rows have no accuracy" if without else ""
    print(f"{models:,} models and {finals:,} accuracies in {place.uri}{lacking}")


def _add_ratios(commands: Any) -> None:
    text = "how much compute one family needs for the accuracy of another; gain at equal compute and per doubling"
    command = commands.add_parser("ratios", help=text, description=text)
    command.add_argument("storage", metavar="STORAGE", help=STORAGE)
    command.add_argument("--of", metavar="FAMILY", help="the family whose points are judged")
    command.add_argument("--against", metavar="FAMILY", help="the family whose frontier they are judged by")
    text = "data sets to average, a,b,… (default: the ViT paper's five when all are there, or else all)"
    command.add_argument("--tasks", metavar="TASKS", help=text)
    command.add_argument("--beside", metavar="STORAGE", help=BESIDE)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_ratios)


def _ratios(options: argparse.Namespace) -> None:
    from analysis.commands import run_ratios

    run_ratios(options, _print_json, _print_table)


def _zoo(_options: argparse.Namespace) -> None:
    from analysis.tables import zoo_page

    print(zoo_page(), end="")


def _places(options: argparse.Namespace) -> tuple[Any, Any]:
    """The storage to read, and where to write. Raises ValueError for published rows without --out."""
    from scaling.store import Storage

    if options.out is None and is_published(options.storage):
        raise ValueError(f"{options.storage} is not for writing into: give --out DIR")
    place = open_rows(options.storage)
    return place, place if options.out is None else Storage.of(options.out)


def _report(options: argparse.Namespace) -> None:
    from analysis.report import report  # here: the figures' libraries take a second to load

    place, target = _places(options)
    for name in report(place, target, options.beside):
        print(target.path(name))


def _inspection(options: argparse.Namespace) -> None:
    from analysis.figures import inspection_charts, load_inspections, write_charts

    place, target = _places(options)
    made = inspection_charts(load_inspections(place))
    if not made:
        raise ValueError(f"storage {place.uri} holds no inspections: python -m scaling.inspection writes them")
    for name in write_charts(target, "figures/inspection_", made):
        print(target.path(name))


def _paper(options: argparse.Namespace) -> None:
    from analysis.figures import paper_charts, write_charts, write_tables
    from analysis.tables import paper_tables

    place, target = _places(options)
    if options.storage == PUBLISHED:  # each figure from the table that the paper draws it from
        made: dict[str, Any] = {}
        tables: dict[str, Any] = {}
        for part, shown in PAPER_FIGURES.items():
            rows = load_rows(published_storage(f"{PUBLISHED}/{part}"))
            made |= {name: chart for name, chart in paper_charts(rows).items() if name in shown}
            tables |= {name: table for name, table in paper_tables(rows).items() if name in shown}
    else:
        rows = with_rows_of(load_rows(place), options.beside)
        made, tables = paper_charts(rows), paper_tables(rows)
    if not made and not tables:
        raise ValueError(f"the rows of storage {place.uri} are enough for none of the paper's figures and tables")
    names = write_charts(target, "paper/", made) + write_tables(target, "paper/", tables)
    for name in names:
        print(target.path(name))


def _frontier(options: argparse.Namespace) -> None:
    scores = accuracies(with_rows_of(load_rows(options.storage), options.beside))
    if options.tasks is not None:
        scores = mean_over_tasks(scores, [name.strip() for name in options.tasks.split(",") if name.strip()])
    points = frontier(scores)
    if options.json:
        print(f'{{"points": {points.fill_nan(None).write_json()}}}')  # in a fraction of json's time and memory
        return
    from analysis.tables import frontier_table

    known = points.filter(pl.col("exaflops_valid").is_not_null() & pl.col("task").is_in(tasks_of(points)))
    shown, left = at_most(known)
    _print_table(frontier_table(shown), "Accuracy by pre-training compute")
    unknown = points["exaflops_valid"].null_count()
    for count, why in ((unknown, "without compute"), (left, "mostly on no frontier: --json prints all")):
        if count:
            print(f"{count:,} points are left out: {why}")


def _core_days(options: argparse.Namespace) -> None:
    from analysis.commands import run_core_days

    run_core_days(options.storage, options.json, _print_json, _print_table)


def _costs(options: argparse.Namespace) -> None:
    from analysis.accounting import measurements_table, newest_measurements
    from analysis.figures import costs_chart, write_charts
    from scaling.store import Storage

    place = Storage.of(options.storage)
    rows = newest_measurements(place)
    if options.json:
        _print_json(measurements_table(rows).to_dicts())
        return
    _print_table(measurements_table(rows), "Measured costs, a core")
    for name in write_charts(place, "figures/", {"costs": (costs_chart(rows), "")}):
        print(place.path(name))


def _vtab(options: argparse.Namespace) -> None:
    from analysis.compare import published_vtab, vtab_scores, vtab_scores_table, vtab_top1

    ours = vtab_scores(vtab_top1(load_rows(options.storage)))
    theirs = vtab_scores(published_vtab())
    if options.json:
        _print_json({"models": ours.to_dicts(), "published": theirs.to_dicts()})
        return
    _print_table(vtab_scores_table(ours), "VTAB-1k, top-1 (%)")
    _print_table(vtab_scores_table(theirs), "As published (Table 9 of the ViT paper)")


def _print_json(value: Any) -> None:
    print(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_table(frame: pl.DataFrame, title: str) -> None:
    from rich.console import Console

    from analysis.tables import to_rich

    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(to_rich(frame, title))


if __name__ == "__main__":
    sys.exit(main())

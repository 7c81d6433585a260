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

from analysis import fit_cli, published
from analysis.beside import both
from analysis.frontier import averaged, frontier
from analysis.rows import accuracies, load, opened, tasks_of
from analysis.thinning import at_most

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
    fit_cli.add(commands, _print_json)
    _add_ratios(commands)
    _add_adopt(commands)
    return parser


def _add_adopt(commands: Any) -> None:
    from analysis.adopt import ROLES

    text = "turn a CSV or Parquet file of someone else's runs into rows"
    roles = "; ".join(f"{role}: {what}" for role, (what, _) in ROLES.items())
    command = commands.add_parser("adopt", help=text, description=f"{text}. Roles: {roles}.")
    command.add_argument("file", metavar="FILE", help="a .csv, .tsv or .parquet file, a row a run")
    text = "such as name=model family=arch compute=flops:exaFLOPs accuracy=top1:percent"
    command.add_argument("--map", nargs="+", action="extend", required=True, metavar="ROLE=COLUMN[:UNIT]", help=text)
    command.add_argument("--out", required=True, metavar="STORAGE", help="path or URI for the rows")
    command.set_defaults(run=_adopt)


def _adopt(options: argparse.Namespace) -> None:
    from analysis.adopt import adopt
    from scaling.storage import Storage

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
    from analysis import ratios_cli

    ratios_cli.run(options, _print_json, _print_table)


def _zoo(_options: argparse.Namespace) -> None:
    from analysis.zoo import page

    print(page(), end="")


def _places(options: argparse.Namespace) -> tuple[Any, Any]:
    """The storage to read, and where to write. Raises ValueError for published rows without --out."""
    from scaling.storage import Storage

    if options.out is None and published.is_published(options.storage):
        raise ValueError(f"{options.storage} is not for writing into: give --out DIR")
    place = opened(options.storage)
    return place, place if options.out is None else Storage.of(options.out)


def _report(options: argparse.Namespace) -> None:
    from analysis.report import report  # here: the figures' libraries take a second to load

    place, target = _places(options)
    for name in report(place, target, options.beside):
        print(target.path(name))


def _inspection(options: argparse.Namespace) -> None:
    from analysis import drawing, inspection

    place, target = _places(options)
    made = inspection.charts(inspection.load(place))
    if not made:
        raise ValueError(f"storage {place.uri} holds no inspections: python -m scaling.inspection writes them")
    for name in drawing.write(target, "figures/inspection_", made):
        print(target.path(name))


def _paper(options: argparse.Namespace) -> None:
    from analysis import drawing, paper, paper_tables

    place, target = _places(options)
    if options.storage == published.NAME:  # each figure from the table that the paper draws it from
        made: dict[str, Any] = {}
        tables: dict[str, Any] = {}
        for part, shown in published.SHOWN.items():
            rows = load(published.storage(f"{published.NAME}/{part}"))
            made |= {name: chart for name, chart in paper.charts(rows).items() if name in shown}
            tables |= {name: table for name, table in paper_tables.tables(rows).items() if name in shown}
    else:
        rows = both(load(place), options.beside)
        made, tables = paper.charts(rows), paper_tables.tables(rows)
    if not made and not tables:
        raise ValueError(f"the rows of storage {place.uri} are enough for none of the paper's figures and tables")
    names = drawing.write(target, "paper/", made) + drawing.write_tables(target, "paper/", tables)
    for name in names:
        print(target.path(name))


def _frontier(options: argparse.Namespace) -> None:
    scores = accuracies(both(load(options.storage), options.beside))
    if options.tasks is not None:
        scores = averaged(scores, [name.strip() for name in options.tasks.split(",") if name.strip()])
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
    from analysis import core_days_cli

    core_days_cli.run(options.storage, options.json, _print_json, _print_table)


def _costs(options: argparse.Namespace) -> None:
    from analysis import costs, drawing
    from scaling.storage import Storage

    place = Storage.of(options.storage)
    rows = costs.newest(place)
    if options.json:
        _print_json(costs.table(rows).to_dicts())
        return
    _print_table(costs.table(rows), "Measured costs, a core")
    for name in drawing.write(place, "figures/", {"costs": (costs.costs_chart(rows), "")}):
        print(place.path(name))


def _vtab(options: argparse.Namespace) -> None:
    from analysis import vtab

    ours = vtab.scores(vtab.top1(load(options.storage)))
    theirs = vtab.scores(vtab.published())
    if options.json:
        _print_json({"models": ours.to_dicts(), "published": theirs.to_dicts()})
        return
    _print_table(vtab.table(ours), "VTAB-1k, top-1 (%)")
    _print_table(vtab.table(theirs), "As published (Table 9 of the ViT paper)")


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

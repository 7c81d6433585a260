"""`python -m analysis report|frontier|ratios|core-days|costs|inspection|paper|vtab STORAGE`: read a study's rows.

STORAGE is a path or a URI. `python -m analysis zoo` prints the named models with their sizes and costs.
`python -m analysis fit|next FILE|STORAGE` fits scaling laws to any table and says what to run next.
"""

import argparse
import json
import math
import sys
from typing import Any

import polars as pl

from analysis import core_days, fit_cli
from analysis.frontier import averaged, frontier
from analysis.rows import accuracies, load


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0, or 2 with one line on stderr for what a user got wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
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
        command.add_argument("storage", metavar="STORAGE", help="path or URI that holds the rows")
        if run not in (_report, _inspection, _paper):
            command.add_argument("--json", action="store_true", help="print JSON")
        if run is _frontier:
            command.add_argument("--tasks", metavar="TASKS", help="only their mean: data sets a,b,…")
        command.set_defaults(run=run)
    text = "the named models, their parameters and MACs, as Markdown"
    commands.add_parser("zoo", help=text, description=text).set_defaults(run=_zoo)
    fit_cli.add(commands, _print_json)
    _add_ratios(commands)
    return parser


def _add_ratios(commands: Any) -> None:
    text = "how much compute one family needs for the accuracy of another; gain at equal compute and per doubling"
    command = commands.add_parser("ratios", help=text, description=text)
    command.add_argument("storage", metavar="STORAGE", help="path or URI that holds the rows")
    command.add_argument("--of", metavar="FAMILY", help="the family whose points are judged")
    command.add_argument("--against", metavar="FAMILY", help="the family whose frontier they are judged by")
    text = "data sets to average, a,b,… (default: the ViT paper's five when all are there, or else all)"
    command.add_argument("--tasks", metavar="TASKS", help=text)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_ratios)


def _ratios(options: argparse.Namespace) -> None:
    from analysis import ratios_cli

    ratios_cli.run(options, _print_json, _print_table)


def _zoo(_options: argparse.Namespace) -> None:
    from analysis.zoo import page

    print(page(), end="")


def _report(options: argparse.Namespace) -> None:
    from analysis.report import report  # here: the figures' libraries take a second to load
    from scaling.storage import Storage

    place = Storage.of(options.storage)
    for name in report(place):
        print(place.path(name))


def _inspection(options: argparse.Namespace) -> None:
    from analysis import drawing, inspection
    from scaling.storage import Storage

    place = Storage.of(options.storage)
    made = inspection.charts(inspection.load(place))
    if not made:
        raise ValueError(f"storage {place.uri} holds no inspections: python -m scaling.inspection writes them")
    for name in drawing.write(place, "figures/inspection_", made):
        print(place.path(name))


def _paper(options: argparse.Namespace) -> None:
    from analysis import drawing, paper, paper_tables
    from scaling.storage import Storage

    place = Storage.of(options.storage)
    rows = load(place)
    made, tables = paper.charts(rows), paper_tables.tables(rows)
    if not made and not tables:
        raise ValueError(f"the rows of storage {place.uri} are enough for none of the paper's figures and tables")
    names = drawing.write(place, "paper/", made) + drawing.write_tables(place, "paper/", tables)
    for name in names:
        print(place.path(name))


def _frontier(options: argparse.Namespace) -> None:
    scores = accuracies(load(options.storage))
    if options.tasks is not None:
        scores = averaged(scores, [name.strip() for name in options.tasks.split(",") if name.strip()])
    points = frontier(scores)
    if options.json:
        _print_json({"points": points.to_dicts()})
        return
    from analysis.tables import frontier_table

    _print_table(frontier_table(points), "Accuracy by pre-training compute")


def _core_days(options: argparse.Namespace) -> None:
    attempts = load(options.storage).attempt
    if attempts.is_empty() and not options.json:
        raise ValueError(f"storage {options.storage} holds no attempts to account for")
    parts = {
        "by_kind": core_days.by_kind(attempts),
        "by_model": core_days.by_model(attempts),
        "total": core_days.account(attempts),
        "by_family": core_days.by_family(attempts),
        "by_study": core_days.by_study(attempts),
        "losses": core_days.losses(attempts),
    }
    apart = core_days.apart(attempts)
    if options.json:
        runs = {"by_run": core_days.by_run(attempts)}
        found = {name: frame.to_dicts() for name, frame in (parts | runs).items()}
        _print_json(found | {"notes": [apart] if apart else []})
        return
    from analysis.tables import account_table, losses_table

    keys: dict[str, tuple[str, ...]] = {
        **{"by_kind": ("kind",), "by_model": ("family", "name"), "total": ()},
        **{"by_family": ("family",), "by_study": ("study",)},
    }
    for name, by in keys.items():
        _print_table(account_table(parts[name], by), f"Core time, {name.replace('_', ' ')}")
    _print_table(losses_table(parts["losses"]), "Not productive, by cause")
    if apart:
        print(apart)


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
    (console if console.is_terminal else Console(width=200)).print(to_rich(frame, title))


if __name__ == "__main__":
    sys.exit(main())

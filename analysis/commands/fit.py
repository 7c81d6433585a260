"""`python -m analysis fit` and `next`: options, tables, and the answers as one JSON value or as text.

Columns are names or SQL expressions of columns (`--samples 'train_flops / (6 * params)'`). A storage has its own:
compute (exaFLOPs of pre-training), params, samples, loss, accuracy, error; one law a task and family.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from analysis.laws import COLUMN_ROLES

FORMS = ("power", "shifted", "chinchilla", "broken")
Print = Callable[[Any], None]
OTHERWISE = "--form power has fewer constants (a law of compute alone); --family names the columns to split rows by."


def add_fit_commands(commands: Any, print_json: Print) -> None:
    """Add both commands to the parser of `python -m analysis`."""
    text = "fit a scaling law: constants with intervals, held-out error, lack of fit, predictions"
    command = commands.add_parser("fit", help=text, description=text)
    _shared(command, (*FORMS, "two-step"), "power")
    command.add_argument("--loss-form", choices=FORMS, default="power", help="the loss's law in a two-step fit")
    text = "values to predict at: compute, or PARAMS,SAMPLES"
    command.add_argument("--predict", metavar="X", nargs="+", action="extend", default=[], help=text)
    command.set_defaults(run=lambda options: _fit(options, print_json))

    text = "what to run next: the best size and data for a budget, and the run that narrows the law most"
    command = commands.add_parser("next", help=text, description=text)
    _shared(command, FORMS, "chinchilla")
    command.add_argument(
        "--budget", type=float, required=True, metavar="EXAFLOPS", help="compute to spend, in exaFLOPs"
    )
    text = "CSV or Parquet of runs that could be made, with the law's columns (default: a grid)"
    command.add_argument("--candidates", metavar="FILE", help=text)
    command.add_argument(
        "--cost", metavar="COL", help="column of the candidates: what each costs (default: its exaFLOPs)"
    )
    text = "FLOPs of one unit of the compute column (default: 1; of a storage, 1e18)"
    command.add_argument("--compute-unit", type=float, metavar="FLOPS", help=text)
    command.set_defaults(run=lambda options: _next(options, print_json))


def _shared(command: argparse.ArgumentParser, forms: tuple[str, ...], form: str) -> None:
    command.add_argument("source", metavar="FILE|STORAGE", help="a .csv, .tsv or .parquet file, or a storage of rows")
    command.add_argument("--form", choices=forms, default=form, help="the law (default: %(default)s)")
    for role, text in COLUMN_ROLES.items():
        command.add_argument(f"--{role}", metavar="COL", help=text)
    text = "columns that tell configurations apart; rows of one are seeds (default: equal inputs are one)"
    command.add_argument("--configuration", metavar="COL", nargs="+", default=[], help=text)
    command.add_argument("--family", metavar="COL", nargs="+", help="fit one law for each value of these columns")
    text = "keep rows that fulfil an SQL condition, such as \"loss < 4 AND family = 'vit'\""
    command.add_argument("--where", metavar="SQL", action="append", default=[], help=text)
    command.add_argument(
        "--drop-largest-loss", type=int, metavar="N", default=0, help="leave out N rows of largest loss"
    )
    command.add_argument("--objective", choices=("huber", "squared"), default="huber", help="(default: %(default)s)")
    command.add_argument("--delta", type=float, help="of the Huber loss (default: 1e-3 on the log)")
    command.add_argument("--on", choices=("log", "value"), default="log", help="residuals of (default: %(default)s)")
    command.add_argument("--bootstrap", type=int, metavar="N", default=1000, help="samples (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    command.add_argument("--level", type=float, default=0.95, help="of the intervals (default: %(default)s)")
    text = "kind that counts (default: the bootstrap from 10 configurations a constant on, else the profile)"
    command.add_argument("--interval", choices=("auto", "bootstrap", "profile"), default="auto", help=text)
    text = "largest rungs that the check holds out (default: a fifth of them)"
    command.add_argument("--held-out", type=int, metavar="N", help=text)
    command.add_argument("--fix", metavar="NAME=VALUE", nargs="+", default=[], help="constants to hold, such as E=0")
    text = "FLOPs a parameter and sample, where no compute tells (default: 6, which is right for tokens)"
    command.add_argument("--flops-per", type=float, metavar="X", default=6.0, help=text)
    command.add_argument("--json", action="store_true", help="print JSON")


def _fit(options: argparse.Namespace, print_json: Print) -> None:
    from analysis.commands import fit_text  # here: they take a moment to load
    from analysis.laws import fit_answers, fitted_as_json, method_of

    made = fit_answers(options, _places(options))
    if options.json:
        method = asdict(method_of(options))
        print_json({"form": options.form, "method": method, "fits": [fitted_as_json(one) for one in made]})
        return
    for one in made:
        fit_text.show(one)


def _places(options: argparse.Namespace) -> list[list[float]]:
    try:
        return [[float(part) for part in text.split(",")] for text in options.predict]
    except ValueError:
        raise ValueError(f"--predict wants numbers, X or PARAMS,SAMPLES, got {' '.join(options.predict)}") from None


def _next(options: argparse.Namespace, print_json: Print) -> None:
    from analysis.commands import fit_text
    from analysis.commands import next as next_cli

    made = next_cli.answers(options)
    if options.json:
        print_json(
            {"form": options.form, "budget_exaflops": options.budget, "laws": [next_cli.as_json(m) for m in made]}
        )
        return
    for one in made:
        fit_text.show_next(one, options.budget)
    if options.form != "power" and not any(one.ranked for one in made):
        print(f"No group has points enough for the {options.form} law. {OTHERWISE}")

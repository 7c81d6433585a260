"""`python -m analysis fit` and `next`: options, tables, and the answers as one JSON value or as text.

Columns are names or SQL expressions of columns (`--samples 'train_flops / (6 * params)'`). A storage has its own:
compute (exaFLOPs of pre-training), params, samples, loss, accuracy, error; one law a task and family.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

ROLES = {
    "compute": "compute of the training",
    "params": "number of parameters",
    "samples": "training samples or tokens; without it, compute / (FLOPs x params)",
    "loss": "loss to fit",
    "error": "error to fit, instead of a loss",
    "accuracy": "accuracy as a fraction: its error is fitted, or itself after the loss (two-step)",
    "weights": "weight of each row",
}
FORMS = ("power", "shifted", "chinchilla", "broken")
Print = Callable[[Any], None]
Answer = Any  # Fit | TooFew | TwoStep, of modules that take a moment to load


def add(commands: Any, print_json: Print) -> None:
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
    for role, text in ROLES.items():
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


# --- fit -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fitted:
    """One group's answer; `reason` where its rows cannot be fitted at all."""

    about: dict[str, Any]
    answer: Answer | None
    predictions: list[Any]
    notes: tuple[str, ...]
    target: str
    reason: str = ""


def _fit(options: argparse.Namespace, print_json: Print) -> None:
    from analysis import fit_text

    made = answers(options, _places(options))
    if options.json:
        print_json({"form": options.form, "method": asdict(_method(options)), "fits": [as_json(one) for one in made]})
        return
    for one in made:
        fit_text.show(one)


def answers(options: argparse.Namespace, places: list[list[float]]) -> list[Fitted]:
    """The law of each group of the table. A group that cannot be fitted says why where there are others."""
    from analysis.laws import table

    frame, ours = table.read(options.source)
    columns = columns_of(options, frame, ours)
    found = table.groups(frame, columns, options.where, _positive(options.drop_largest_loss))
    if not found:
        raise ValueError(f"no rows are left of {options.source}")
    target = (
        "loss" if columns.loss and options.form != "two-step" else "accuracy" if options.form == "two-step" else "error"
    )
    made = []
    for group in found:
        try:
            made.append(answer_of(options, group, target, places))
        except ValueError as error:
            if len(found) == 1:
                raise
            made.append(Fitted(group.about, None, [], group.notes, target, str(error)))
    return made


def answer_of(options: argparse.Namespace, group: Any, target: str, places: list[list[float]]) -> Fitted:
    from analysis.laws.fit import fit
    from analysis.laws.predict import predict
    from analysis.laws.two_step import fit_two_step, predict_two_step
    from analysis.laws.values import TooFew

    numbers, notes = _with_samples(options, dict(group.numbers), group.notes)
    weights, rest = numbers.get("weights"), {"configuration": group.configuration}
    method = _method(options)
    if options.form == "two-step":
        form = options.loss_form
        found: Answer = fit_two_step(
            numbers, numbers["loss"], numbers["accuracy"], method, form=form, weights=weights, **rest
        )
    else:
        found = fit(options.form, numbers, numbers[target], method, weights=weights, named=target, **rest)
    if isinstance(found, TooFew):
        return Fitted(group.about, found, [], notes, target)
    guess = predict_two_step(found, places) if options.form == "two-step" else predict(found, places)
    return Fitted(group.about, found, guess, notes, target)


def _with_samples(options: argparse.Namespace, numbers: dict[str, pl.Series], notes: tuple[str, ...]) -> Any:
    """Samples from compute, where a law of parameters and samples has none."""
    wanted = "chinchilla" in (options.form, getattr(options, "loss_form", ""))
    if not wanted or "samples" in numbers or not {"compute", "params"} <= numbers.keys():
        return numbers, notes
    samples = numbers["compute"] / (options.flops_per * numbers["params"])
    return numbers | {"samples": samples}, (*notes, f"samples are compute / ({options.flops_per:g} x params)")


def columns_of(options: argparse.Namespace, frame: pl.DataFrame, ours: bool) -> Any:
    """The columns as named, else those that are called like their role; of a storage the error, by task and family."""
    from analysis.laws.table import Columns

    given = {role: getattr(options, role) for role in ROLES}
    if not any(given[role] for role in ("loss", "error", "accuracy")):
        present = [role for role in ("loss", "error", "accuracy") if role in frame.columns]
        if options.form == "two-step":
            given |= {role: role for role in ("loss", "accuracy")}
        elif present:
            chosen = "error" if ours else present[0]
            given[chosen] = chosen
        else:
            raise ValueError(f"what is to be fitted? --loss, --error or --accuracy COL of: {', '.join(frame.columns)}")
    if options.form == "two-step":
        given |= {role: given[role] or role for role in ("loss", "accuracy")}
    for role in ("compute", "params", "samples"):
        given[role] = given[role] or (role if role in frame.columns else None)
    groups = options.family if options.family is not None else ["task", "family"] if ours else []
    return Columns(**given, configuration=tuple(options.configuration), groups=tuple(groups))


def _method(options: argparse.Namespace) -> Any:
    from analysis.laws.values import Method

    return Method(
        loss=options.objective,
        on=options.on,
        delta=options.delta,
        bootstrap=options.bootstrap,
        seed=options.seed,
        level=options.level,
        held_out=options.held_out,
        interval=options.interval,
        fixed=tuple(_fixed(text) for text in options.fix),
    )


def _fixed(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"--fix wants NAME=VALUE, such as E=0, got {text!r}") from None


def _places(options: argparse.Namespace) -> list[list[float]]:
    try:
        return [[float(part) for part in text.split(",")] for text in options.predict]
    except ValueError:
        raise ValueError(f"--predict wants numbers, X or PARAMS,SAMPLES, got {' '.join(options.predict)}") from None


def _positive(count: int) -> int:
    if count < 0:
        raise ValueError(f"--drop-largest-loss must not be negative, got {count}")
    return count


# --- next ----------------------------------------------------------------------------------------------------------


def _next(options: argparse.Namespace, print_json: Print) -> None:
    from analysis import fit_text, next_cli

    made = next_cli.answers(options)
    if options.json:
        print_json(
            {"form": options.form, "budget_exaflops": options.budget, "laws": [next_cli.as_json(m) for m in made]}
        )
        return
    for one in made:
        fit_text.show_next(one, options.budget)


# --- as JSON -------------------------------------------------------------------------------------------------------


def as_json(one: Fitted) -> dict[str, Any]:
    """A group's answer as plain values: `enough` says whether there are numbers, `answer` why there are none."""
    from analysis.laws.values import Fit, TooFew

    about = {"group": one.about, "target": one.target}
    if one.answer is None:
        return about | {"enough": False, "answer": one.reason, "notes": list(one.notes)}
    if isinstance(one.answer, TooFew):
        lacking = {"needs": one.answer.needs, "has": one.answer.has, "of": one.answer.what}
        return about | {"enough": False, "answer": str(one.answer), **lacking, "notes": [*one.notes, *one.answer.notes]}
    predictions = [asdict(replace(p)) | {"at": dict(p.at)} for p in one.predictions]
    if isinstance(one.answer, Fit):
        law = fit_json(one.answer)
        return about | {"enough": True} | law | {"predictions": predictions, "notes": [*one.notes, *law["notes"]]}
    steps = {"loss": fit_json(one.answer.loss), "accuracy": fit_json(one.answer.accuracy)}
    both = {name: value for step in steps.values() for name, value in step["constants"].items()}
    held_out = asdict(one.answer.held_out) if one.answer.held_out else None
    shared = {"configurations": one.answer.loss.configurations, "rows": one.answer.loss.rows, "constants": both}
    return (
        about
        | {"enough": True}
        | shared
        | {
            "steps": steps,
            "held_out": held_out,
            "predictions": predictions,
            "notes": list(one.notes),
        }
    )


def fit_json(found: Any) -> dict[str, Any]:
    """A fitted law as plain values."""
    constants = {c.name: {key: value for key, value in asdict(c).items() if key != "name"} for c in found.constants}
    test = found.lack_of_fit
    return {
        "formula": found.form.formula,
        "rows": found.rows,
        "configurations": found.configurations,
        "ranges": {name: [low, high] for name, low, high in found.ranges},
        "interval_by": found.interval_by,
        "constants": constants,
        "scatter": found.scatter,
        "held_out": asdict(found.held_out) if found.held_out else None,
        "lack_of_fit": {"test": test.test, "p_value": test.p_value, "found": test.found},
        "notes": list(found.notes),
    }

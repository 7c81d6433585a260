"""The laws of a table: one answer a group, by the options of `python -m analysis fit`."""

import argparse
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.laws import table
from analysis.laws.fit import fit
from analysis.laws.predict import predict
from analysis.laws.table import COLUMN_ROLES, Columns
from analysis.laws.two_step import TwoStep, fit_two_step, predict_two_step
from analysis.laws.values import Fit, Method, TooFew


@dataclass(frozen=True, eq=False)
class Fitted:
    """One group's answer; `reason` where its rows cannot be fitted at all."""

    about: dict[str, Any]
    answer: Fit | TooFew | TwoStep | None
    predictions: list[Any]
    notes: tuple[str, ...]
    target: str
    reason: str = ""


def fit_answers(options: argparse.Namespace, places: list[list[float]]) -> list[Fitted]:
    """The law of each group of the table. A group that cannot be fitted says why where there are others."""
    frame, ours = table.read_points_table(options.source)
    columns = columns_of(options, frame, ours)
    found = table.point_groups(frame, columns, options.where, _positive(options.drop_largest_loss))
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
    numbers, notes = _with_samples(options, dict(group.numbers), group.notes)
    weights, rest = numbers.get("weights"), {"configuration": group.configuration}
    method = method_of(options)
    if options.form == "two-step":
        form = options.loss_form
        found: Fit | TooFew | TwoStep = fit_two_step(
            numbers, numbers["loss"], numbers["accuracy"], method, form=form, weights=weights, **rest
        )
    else:
        found = fit(options.form, numbers, numbers[target], method, weights=weights, named=target, **rest)
    if isinstance(found, TooFew):
        return Fitted(group.about, found, [], notes, target)
    guess = predict_two_step(found, places) if isinstance(found, TwoStep) else predict(found, places)
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
    given = {role: getattr(options, role) for role in COLUMN_ROLES}
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


def method_of(options: argparse.Namespace) -> Any:
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


def _positive(count: int) -> int:
    if count < 0:
        raise ValueError(f"--drop-largest-loss must not be negative, got {count}")
    return count

"""The laws of a table: one answer for each group of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from analysis.laws import table
from analysis.laws.fit import fit
from analysis.laws.predict import predict
from analysis.laws.table import COLUMN_ROLES, Columns
from analysis.laws.two_step import TwoStep, fit_two_step, predict_two_step
from analysis.laws.values import Fit, Method, TooFew


@dataclass(frozen=True)
class LawRequest:
    """Which law is to be fitted, to which rows of a table, and how.

    given: the column, or SQL expression of columns, of each role that is named. configuration: columns that tell
    configurations apart. family: columns to fit a law for each value of; None: those that a storage has. where: SQL
    conditions of the rows to keep. flops_per: FLOPs per parameter and sample, where no compute tells.
    """

    source: str
    form: str = "power"
    loss_form: str = "power"  # the law of the loss in a two-step fit
    given: Mapping[str, str | None] = field(default_factory=dict)
    configuration: tuple[str, ...] = ()
    family: tuple[str, ...] | None = None
    where: tuple[str, ...] = ()
    drop_largest_loss: int = 0
    flops_per: float = 6.0
    method: Method = field(default_factory=Method)


@dataclass(frozen=True, eq=False)
class Fitted:
    """One group's answer; `reason` where its rows cannot be fitted at all."""

    about: dict[str, Any]
    answer: Fit | TooFew | TwoStep | None
    predictions: list[Any]
    notes: tuple[str, ...]
    target: str
    reason: str = ""


def fit_answers(request: LawRequest, places: list[list[float]]) -> list[Fitted]:
    """The law of each group of the table. A group that cannot be fitted says why where there are others."""
    frame, ours = table.read_points_table(request.source)
    columns = columns_of(request, frame, ours)
    groups = table.point_groups(frame, columns, request.where, _positive(request.drop_largest_loss))
    if not groups:
        raise ValueError(f"no rows are left of {request.source}")
    target = (
        "loss" if columns.loss and request.form != "two-step" else "accuracy" if request.form == "two-step" else "error"
    )
    answers = []
    for group in groups:
        try:
            answers.append(answer_of(request, group, target, places))
        except ValueError as error:
            if len(groups) == 1:
                raise
            answers.append(Fitted(group.about, None, [], group.notes, target, str(error)))
    return answers


def answer_of(request: LawRequest, group: Any, target: str, places: list[list[float]]) -> Fitted:
    numbers, notes = _with_samples(request, dict(group.numbers), group.notes)
    weights, rest = numbers.get("weights"), {"configuration": group.configuration}
    method = request.method
    if request.form == "two-step":
        form = request.loss_form
        law: Fit | TooFew | TwoStep = fit_two_step(
            numbers, numbers["loss"], numbers["accuracy"], method, form=form, weights=weights, **rest
        )
    else:
        law = fit(request.form, numbers, numbers[target], method, weights=weights, named=target, **rest)
    if isinstance(law, TooFew):
        return Fitted(group.about, law, [], notes, target)
    guess = predict_two_step(law, places) if isinstance(law, TwoStep) else predict(law, places)
    return Fitted(group.about, law, guess, notes, target)


def _with_samples(request: LawRequest, numbers: dict[str, pl.Series], notes: tuple[str, ...]) -> Any:
    """Samples from compute, where a law of parameters and samples has none."""
    wanted = "chinchilla" in (request.form, request.loss_form)
    if not wanted or "samples" in numbers or not {"compute", "params"} <= numbers.keys():
        return numbers, notes
    samples = numbers["compute"] / (request.flops_per * numbers["params"])
    return numbers | {"samples": samples}, (*notes, f"samples are compute / ({request.flops_per:g} x params)")


def columns_of(request: LawRequest, frame: pl.DataFrame, ours: bool) -> Any:
    """The columns as named, else those that are called like their role; of a storage the error, by task and family."""
    given = {role: request.given.get(role) for role in COLUMN_ROLES}
    if not any(given[role] for role in ("loss", "error", "accuracy")):
        present = [role for role in ("loss", "error", "accuracy") if role in frame.columns]
        if request.form == "two-step":
            given |= {role: role for role in ("loss", "accuracy")}
        elif present:
            chosen = "error" if ours else present[0]
            given[chosen] = chosen
        else:
            raise ValueError(f"what is to be fitted? --loss, --error or --accuracy COL of: {', '.join(frame.columns)}")
    if request.form == "two-step":
        given |= {role: given[role] or role for role in ("loss", "accuracy")}
    for role in ("compute", "params", "samples"):
        given[role] = given[role] or (role if role in frame.columns else None)
    # of a storage by task and family: errors on several tasks are not one law
    groups = request.family if request.family is not None else ["task", "family"] if ours else []
    return Columns(**given, configuration=tuple(request.configuration), groups=tuple(groups))


def _positive(count: int) -> int:
    if count < 0:
        raise ValueError(f"--drop-largest-loss must not be negative, got {count}")
    return count

"""`python -m analysis next`: the law of each group, its best run for a budget, and candidates ranked."""

import argparse
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.laws import (
    Candidate,
    Fit,
    Fitted,
    Optimum,
    Ranked,
    answer_of,
    columns_of,
    compute_optimum,
    numeric_column,
    point_groups,
    predict,
    proposed_candidates,
    rank_candidates,
    read_points_table,
)
from analysis.laws import fitted_as_json as fitted_json
from analysis.rows import EXA


@dataclass(frozen=True, eq=False)
class Next:
    """A group's answer: the best run for the budget (of L(N, D) alone), the prediction there, candidates ranked."""

    law: Fitted
    optimum: Optimum | None
    prediction: Any
    ranked: list[Ranked]
    notes: tuple[str, ...]
    unit: str  # of the costs, empty where the candidates bring their own


def answers(options: argparse.Namespace) -> list[Next]:
    """What to run next in each group of the table. Costs are in exaFLOPs unless the candidates bring their own."""
    if not (np.isfinite(options.budget) and options.budget > 0):
        raise ValueError(f"--budget must be positive, got {options.budget:g}")
    frame, ours = read_points_table(options.source)
    unit = options.compute_unit or (EXA if ours else 1.0)
    columns = columns_of(options, frame, ours)
    target = "loss" if columns.loss else "error"
    found = point_groups(frame, columns, options.where, options.drop_largest_loss)
    if not found:
        raise ValueError(f"no rows are left of {options.source}")
    return [_next(options, group, target, unit) for group in found]


def _next(options: argparse.Namespace, group: Any, target: str, unit: float) -> Next:
    law = answer_of(options, group, target, [])
    if not isinstance(law.answer, Fit):
        return Next(law, None, None, [], (), "")
    flops_per, notes = _flops_per(options, group.numbers, law.answer, unit)
    best = compute_optimum(law.answer, options.budget * EXA, flops_per) if len(law.answer.form.inputs) == 2 else None
    at = (best.params.value, best.samples.value) if best else (options.budget * EXA / flops_per,)
    candidates = _candidates(options, law.answer, flops_per)
    ranked = rank_candidates(law.answer, candidates, at)
    prediction = best.prediction if best else predict(law.answer, [at])[0]
    return Next(law, best, prediction, ranked, notes, "" if options.cost else "exaFLOPs")


def _flops_per(
    options: argparse.Namespace, numbers: dict[str, pl.Series], found: Fit, unit: float
) -> tuple[float, tuple[str, ...]]:
    """FLOPs a unit of the inputs' product: of compute, or of params x samples by the table's own compute."""
    if len(found.form.inputs) == 1:
        return unit, ()
    if {"compute", "params", "samples"} <= numbers.keys():
        ratio = (numbers["compute"] * unit / (numbers["params"] * numbers["samples"])).drop_nulls()
        usual = ratio.filter(ratio.is_finite() & (ratio > 0)).median()
        if isinstance(usual, float):
            return usual, (f"{usual:.4g} FLOPs a parameter and sample, as in the table's median run",)
    return options.flops_per, (f"{options.flops_per:g} FLOPs a parameter and sample (--flops-per)",)


def _candidates(options: argparse.Namespace, found: Fit, flops_per: float) -> list[Candidate]:
    """Those of the file, or a grid; with costs in exaFLOPs where none are given."""
    if options.candidates is None:
        proposed = proposed_candidates(found, options.budget * EXA, flops_per)
        return [Candidate(one.at, one.cost / EXA) for one in proposed]
    frame, _ = read_points_table(options.candidates)
    named = [(name, getattr(options, name) or name) for name in found.form.inputs]
    inputs = [numeric_column(frame, text if text in frame.columns else name) for name, text in named]
    costs = numeric_column(frame, options.cost) if options.cost else None
    names = frame["name"].cast(pl.String) if "name" in frame.columns else None
    made = []
    for row in range(frame.height):
        at = tuple(float(column[row] or 0) for column in inputs)
        if min(at) <= 0:
            raise ValueError(f"candidate {row + 1} of {options.candidates} lacks a positive {' or '.join(dict(named))}")
        cost = float(np.prod(at)) * flops_per / EXA if costs is None else float(costs[row] or 0)
        made.append(Candidate(at, cost, "" if names is None else str(names[row])))
    return made


def as_json(one: Next) -> dict[str, Any]:
    """A group's answer as plain values."""
    law = fitted_json(one.law)
    if not law["enough"]:
        return law
    inputs = one.law.answer.form.inputs if isinstance(one.law.answer, Fit) else ()
    ranked = [
        {"name": r.candidate.name, "at": dict(zip(inputs, r.candidate.at, strict=True))}
        | {"cost": r.candidate.cost, "reduction": r.reduction, "reduction_per_cost": r.per_cost}
        for r in one.ranked
    ]
    best = asdict(one.optimum) if one.optimum else None
    if best:
        del best["prediction"]
    prediction = asdict(one.prediction) | {"at": dict(one.prediction.at)}
    return law | {"optimum": best, "prediction": prediction, "candidates": ranked, "notes": [*law["notes"], *one.notes]}

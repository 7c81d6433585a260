"""What to run next: the law of each group, its best run for a budget, and candidates ranked."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.laws import (
    Candidate,
    Fit,
    Fitted,
    LawRequest,
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


@dataclass(frozen=True)
class Budget:
    """What may be spent on the next run, and on what.

    exaflops: the compute. candidates: a table of runs that could be made; None: a grid. cost: its column of what each
    costs; None: its exaFLOPs. compute_unit: FLOPs of one unit of the rows' compute; None: 1, or 1e18 of a storage.
    """

    exaflops: float
    candidates: str | None = None
    cost: str | None = None
    compute_unit: float | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.exaflops) and self.exaflops > 0):
            raise ValueError(f"--budget must be positive, got {self.exaflops:g}")


@dataclass(frozen=True, eq=False)
class Next:
    """A group's answer: the best run for the budget (of L(N, D) alone), the prediction there, candidates ranked."""

    law: Fitted
    optimum: Optimum | None
    prediction: Any
    ranked: list[Ranked]
    notes: tuple[str, ...]
    unit: str  # of the costs, empty where the candidates bring their own


def next_runs(request: LawRequest, budget: Budget) -> list[Next]:
    """What to run next in each group of the table. Costs are in exaFLOPs unless the candidates bring their own."""
    frame, ours = read_points_table(request.source)
    unit = budget.compute_unit or (EXA if ours else 1.0)
    columns = columns_of(request, frame, ours)
    target = "loss" if columns.loss else "error"
    groups = point_groups(frame, columns, request.where, request.drop_largest_loss)
    if not groups:
        raise ValueError(f"no rows are left of {request.source}")
    return [_next(request, budget, group, target, unit) for group in groups]


def _next(request: LawRequest, budget: Budget, group: Any, target: str, unit: float) -> Next:
    law = answer_of(request, group, target, [])
    if not isinstance(law.answer, Fit):
        return Next(law, None, None, [], (), "")
    flops_per, notes = _flops_per(request, group.numbers, law.answer, unit)
    spent = budget.exaflops * EXA
    best = compute_optimum(law.answer, spent, flops_per) if len(law.answer.form.inputs) == 2 else None
    at = (best.params.value, best.samples.value) if best else (spent / flops_per,)
    candidates = _candidates(request, budget, law.answer, flops_per)
    ranked = rank_candidates(law.answer, candidates, at)
    prediction = best.prediction if best else predict(law.answer, [at])[0]
    return Next(law, best, prediction, ranked, notes, "" if budget.cost else "exaFLOPs")


def _flops_per(
    request: LawRequest, numbers: dict[str, pl.Series], law: Fit, unit: float
) -> tuple[float, tuple[str, ...]]:
    """FLOPs a unit of the inputs' product: of compute, or of params x samples by the table's own compute."""
    if len(law.form.inputs) == 1:
        return unit, ()
    if {"compute", "params", "samples"} <= numbers.keys():
        ratio = (numbers["compute"] * unit / (numbers["params"] * numbers["samples"])).drop_nulls()
        usual = ratio.filter(ratio.is_finite() & (ratio > 0)).median()
        if isinstance(usual, float):
            return usual, (f"{usual:.4g} FLOPs a parameter and sample, as in the table's median run",)
    return request.flops_per, (f"{request.flops_per:g} FLOPs a parameter and sample (--flops-per)",)


def _candidates(request: LawRequest, budget: Budget, law: Fit, flops_per: float) -> list[Candidate]:
    """Those of the file, or a grid; with costs in exaFLOPs where none are given."""
    if budget.candidates is None:
        proposed = proposed_candidates(law, budget.exaflops * EXA, flops_per)
        return [Candidate(one.at, one.cost / EXA) for one in proposed]
    frame, _ = read_points_table(budget.candidates)
    named = [(name, request.given.get(name) or name) for name in law.form.inputs]
    inputs = [numeric_column(frame, text if text in frame.columns else name) for name, text in named]
    costs = numeric_column(frame, budget.cost) if budget.cost else None
    names = frame["name"].cast(pl.String) if "name" in frame.columns else None
    candidates = []
    for row in range(frame.height):
        at = tuple(float(column[row] or 0) for column in inputs)
        if min(at) <= 0:
            raise ValueError(f"candidate {row + 1} of {budget.candidates} lacks a positive {' or '.join(dict(named))}")
        cost = float(np.prod(at)) * flops_per / EXA if costs is None else float(costs[row] or 0)
        candidates.append(Candidate(at, cost, "" if names is None else str(names[row])))
    return candidates


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

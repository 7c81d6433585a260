"""A plan for people: a table in the units that fit the study, and what it takes on a slice and on this machine."""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from analysis.accounting.plan import CORE_DAYS, Plan
from analysis.names import core_noun, core_unit, duration, figure, flops_unit
from clusters.hardware import SECONDS_PER_DAY, catalogue

LONGEST = 7.0  # days: a plan for another chip that takes longer on this machine will not run on it
NOT_PLANNED = "start-up, evaluations and few-shot probes come on top"
Cells = Callable[[dict[str, Any]], list[str]]


def render_plan(costs: Plan) -> Iterable[Any]:
    """The plan as a rich table and lines."""
    from scaling.console import WideTable  # here: what a plan is needs no terminal

    total, transfer, whole = costs.total, asdict(costs.transfer), costs.whole()
    parts = [asdict(run) for run in costs.runs] + [transfer]
    size, flops = flops_unit([run.exaflops_valid for run in costs.runs] or [whole["exaflops_valid"]])
    largest = max(part["core_days"] for part in parts) * SECONDS_PER_DAY
    seconds, time = core_unit(largest, costs.hardware)
    if 0 < largest < 1:  # a study of a laptop, planned for an accelerator
        seconds, time = 1e-3, f"{core_noun(costs.hardware)}-milliseconds"
    cells = _cells(size, SECONDS_PER_DAY / seconds, costs.total["price_usd"] is not None)
    rows: list[tuple[str, ...]] = [
        (run.name, f"{run.epochs:g}", count(run.parameters), count(run.images), f"{run.steps:,}", *cells(asdict(run)))
        for run in costs.runs
    ]
    rows += [(), ("pre-training", "", "", count(total["images"]), f"{total['steps']:,}", *cells(total))]
    if transfer["trials"] or transfer["finals"]:
        name = f"fine-tuning: {transfer['trials']} trials, {transfer['finals']} finals"
        rows += [(name, "", "", "", "", *cells(transfer)), ("total", "", "", "", "", *cells(whole))]
    priced = ["price $"] if total["price_usd"] is not None else []
    headings = ("model", "epochs", "parameters", "images", "steps", flops, "valid", time, *priced)
    yield WideTable(f"Plan of study {costs.study}", headings, tuple(rows), labels=1)
    yield f"{flops}: every tap of padded convolutions | valid: taps inside the image, the paper's Table 6 convention."
    counted = dict.fromkeys(run.name for run in costs.runs if run.counted)
    if counted:
        yield f"Counted by torch on the model, which has no closed form: {', '.join(counted)}."
    yield from _notes(costs, time, bool(priced))


def _notes(costs: Plan, time: str, priced: bool) -> Iterable[str]:
    """By which rate time and money were reckoned, and the time that passes, on a slice and on this machine."""
    what = f"{time[0].upper()}{time[1:]} and list price" if priced else f"{time[0].upper()}{time[1:]}"
    unpriced = "" if priced or catalogue()[costs.hardware].kind == "cpu" else " No list price is known."
    yield f"{what}: {costs.hardware} at {costs.rate_note}; change by --hardware and --utilisation.{unpriced}"
    if costs.total["core_days_low"] is not None:
        yield "In brackets: at the highest and the lowest rate that was measured."
    if costs.evaluations:
        yield f"Evaluations: {costs.evaluations:,}, over all upstreams; their cost is not planned."
    whole = costs.as_json()["whole"]
    if costs.cores is not None:
        days = [whole[name] for name in ("wall_days", "wall_days_low", "wall_days_high")]
        told = [duration(each * SECONDS_PER_DAY) for each in days if each is not None]
        ends = f" ({told[1]} to {told[2]})" if len(told) == 3 else ""
        cores = f"{costs.cores:,} {core_noun(costs.hardware)}{'' if costs.cores == 1 else 's'}"
        yield f"On {costs.slice} ({cores}): {told[0]}{ends}, one run after the other on all of it; {NOT_PLANNED}."
    here = os.cpu_count() or 1
    on_cpu = costs.hardware == "cpu"
    days_here = whole["core_days"] if on_cpu else whole["exaflops_valid"] / catalogue()["cpu"].rate("")
    if on_cpu or days_here / here < LONGEST:
        time_here = duration(days_here / here * SECONDS_PER_DAY)
        cores = f"{here} CPU core{'' if here == 1 else 's'}"
        yield f"On this machine ({cores}): {time_here} of training or more; {NOT_PLANNED}."


def _cells(size: float, per_day: float, priced: bool) -> Cells:
    """What makes the cells of a cost: exaFLOPs over `size`, core-days times `per_day`, the price if there is one."""

    def cells(cost: dict[str, Any]) -> list[str]:
        flops = [figure(cost[key] / size) for key in ("exaflops", "exaflops_valid")]
        days = [None if cost[name] is None else cost[name] * per_day for name in CORE_DAYS]
        return [*flops, _interval(*days), *([dollars(cost["price_usd"])] if priced else [])]

    return cells


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    assert value is not None
    ends = "" if low is None or high is None or value < 0.001 else f" ({figure(low)}–{figure(high)})"
    return f"{figure(value)}{ends}"


def dollars(price: float | None) -> str:
    """A price in whole dollars, a small one in cents."""
    if price is None:
        return "–"
    return f"{price:,.0f}" if price >= 100 or price == 0 else f"{price:.2f}" if price >= 0.01 else "< 0.01"


def count(value: int) -> str:
    """1,234,567 as 1.23 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return str(value)

"""What a study will cost, from closed forms alone: no model is built and no data read but their counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from clusters.hardware import SECONDS_PER_DAY, Hardware, recognised
from scaling.candidates import planned
from scaling.flops import parameters, pretrain_flops, train_flops, transfer_flops
from scaling.specs import Architecture, Pretrain, Study, family, from_json, to_json, without_representation
from scaling.study import pairs

EXA = 1e18
Rates = Mapping[tuple[str, int], float]  # exaFLOPs a core-day by (architecture without its head, pixels): measured


@dataclass(frozen=True)
class RunCost:
    """One run. `exaflops` counts every tap of padded convolutions, `exaflops_valid` those inside the image (Table 6).

    Core-days and list price (US $) are those of `exaflops_valid` at the chip's rate; price is None where unknown.
    """

    name: str
    family: str
    epochs: float
    parameters: int  # without the classifier, as in Table 1
    images: int
    steps: int
    exaflops: float
    exaflops_valid: float
    core_days: float
    price_usd: float | None
    measured: bool  # whether this model's training was timed on the chip


@dataclass(frozen=True)
class TransferCost:
    """All fine-tuning of a study: dev trials and final runs."""

    trials: int
    finals: int
    exaflops: float
    exaflops_valid: float
    core_days: float
    price_usd: float | None


@dataclass(frozen=True)
class Plan:
    """Costs of a study on one chip."""

    study: str
    hardware: str
    rate_note: str
    runs: tuple[RunCost, ...]
    transfer: TransferCost

    @property
    def total(self) -> dict[str, Any]:
        """Sums over the pre-training runs; the price is None when one of them has none."""
        prices = [run.price_usd for run in self.runs]
        sums = {
            name: sum(getattr(run, name) for run in self.runs)
            for name in ("images", "steps", "exaflops", "exaflops_valid", "core_days")
        }
        return {**sums, "price_usd": None if None in prices else sum(p for p in prices if p is not None)}

    def as_json(self) -> dict[str, Any]:
        return {
            "study": self.study,
            "hardware": self.hardware,
            "rate": self.rate_note,
            "runs": [asdict(run) for run in self.runs],
            "total": self.total,
            "transfer": asdict(self.transfer),
        }


def plan(study: Study, chip: Hardware, utilisation: float | None = None, measured: Rates | None = None) -> Plan:
    """The cost of a study whose data sets have their counts. Raises ValueError when one has not.

    A given utilisation goes first, then what was measured of the model at the resolution, then the chip's own rate.
    """
    rates = {} if measured is None or utilisation is not None else measured
    runs = tuple(_run_cost(run, chip, utilisation, rates) for run in study.runs)
    note = chip.rate_note(utilisation)
    if rates:
        note = f"the measured step times of {sum(run.measured for run in runs)} of {len(runs)} runs, else {note}"
    return Plan(study.name, chip.name, note, runs, _transfer_cost(study, chip, utilisation, rates))


def measured_rates(rows: pl.DataFrame, chip: Hardware) -> Rates:
    """What the newest rows of table measure say of a chip's training; empty when none is of the chip."""
    found: dict[tuple[str, int], float] = {}
    for row in rows.sort("measured_at").iter_rows(named=True):
        if recognised(row["device"]) == chip:
            model: Architecture = from_json(Architecture, row["spec"])  # type: ignore[arg-type]
            flops = train_flops(model, row["resolution"], row["num_classes"], 1, valid=True)
            rate = flops * row["train_images_per_second"] / row["cores"] * SECONDS_PER_DAY / EXA
            found[_timed(model), row["resolution"]] = rate
    return found


def _timed(model: Architecture) -> str:
    """What costs are looked up by: a model, whatever its head."""
    return to_json(without_representation(model))


def _run_cost(run: Pretrain, chip: Hardware, utilisation: float | None, rates: Rates) -> RunCost:
    valid = pretrain_flops(run, valid=True) / EXA
    rate = rates.get((_timed(run.model), run.resolution)) if rates else None
    core_days = valid / (rate or chip.rate(run.name, utilisation))
    return RunCost(
        name=run.name,
        family=family(run.model),
        epochs=run.epochs,
        parameters=parameters(run.model, resolution=run.resolution),
        images=run.steps * run.recipe.batch_size,
        steps=run.steps,
        exaflops=pretrain_flops(run, valid=False) / EXA,
        exaflops_valid=valid,
        core_days=core_days,
        price_usd=chip.price_usd(core_days),
        measured=rate is not None,
    )


def _transfer_cost(study: Study, chip: Hardware, utilisation: float | None, rates: Rates) -> TransferCost:
    """Fine-tunings of one model on one task cost the same, whichever run the model is of: they are reckoned once."""
    trials = finals = 0
    exaflops = valid = core_days = 0.0
    alike = Counter((pair.upstream.name, pair.upstream.model, pair.task) for pair in pairs(study))
    first = {(pair.upstream.name, pair.upstream.model, pair.task): pair for pair in pairs(study)}
    for key, times in alike.items():
        pair = first[key]
        dev, last = planned(pair, study.seeds)
        trials, finals = trials + times * len(dev), finals + times * len(last)
        model = _timed(pair.upstream.model) if rates else ""
        for each in (*dev, *last):
            exaflops += times * transfer_flops(each, valid=False) / EXA
            cost = times * transfer_flops(each, valid=True) / EXA
            valid += cost
            core_days += cost / (rates.get((model, each.resolution)) or chip.rate(pair.upstream.name, utilisation))
    return TransferCost(trials, finals, exaflops, valid, core_days, chip.price_usd(core_days))


def render(costs: Plan) -> Iterable[Any]:
    """The plan as rich tables and lines."""
    from rich.table import Table

    table = Table(title=f"Plan of study {costs.study}", title_justify="left", header_style="bold")
    for heading in ("model", "epochs", "parameters", "images", "steps", *_HEADINGS):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for run in costs.runs:
        table.add_row(
            run.name,
            f"{run.epochs:g}",
            _count(run.parameters),
            _count(run.images),
            f"{run.steps:,}",
            *_costs(asdict(run)),
        )
    table.add_section()
    total = costs.total
    table.add_row("pre-training", "", "", _count(total["images"]), f"{total['steps']:,}", *_costs(total))
    transfer = costs.transfer
    if transfer.trials or transfer.finals:
        what = f"fine-tuning: {transfer.trials} trials, {transfer.finals} finals"
        table.add_row(what, "", "", "", "", *_costs(asdict(transfer)))
    yield table
    yield "exaFLOPs: every tap of padded convolutions | valid: taps inside the image, the paper's Table 6 convention."
    yield f"Core-days and list price: {costs.hardware} at {costs.rate_note}; change by --hardware and --utilisation."


_HEADINGS = ("exaFLOPs", "valid", "core-days", "price $")


def _costs(cost: dict[str, Any]) -> list[str]:
    price = cost["price_usd"]
    return [
        *(_figure(cost[key]) for key in ("exaflops", "exaflops_valid", "core_days")),
        "–" if price is None else f"{price:,.0f}",
    ]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _count(value: int) -> str:
    """1,234,567 as 1.23 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return str(value)

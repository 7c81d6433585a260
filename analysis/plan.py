"""What a study will cost, from closed forms alone: no model is built and no data read but their counts."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from clusters.hardware import Hardware
from scaling.candidates import planned
from scaling.flops import parameters, pretrain_flops, transfer_flops
from scaling.specs import Pretrain, Study, family
from scaling.study import pairs

EXA = 1e18


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


def plan(study: Study, chip: Hardware, utilisation: float | None = None) -> Plan:
    """The cost of a study whose data sets have their counts. Raises ValueError when one has not."""
    return Plan(
        study=study.name,
        hardware=chip.name,
        rate_note=chip.rate_note(utilisation),
        runs=tuple(_run_cost(run, chip, utilisation) for run in study.runs),
        transfer=_transfer_cost(study, chip, utilisation),
    )


def _run_cost(run: Pretrain, chip: Hardware, utilisation: float | None) -> RunCost:
    valid = pretrain_flops(run, valid=True) / EXA
    core_days = valid / chip.rate(run.name, utilisation)
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
    )


def _transfer_cost(study: Study, chip: Hardware, utilisation: float | None) -> TransferCost:
    trials = finals = 0
    exaflops = valid = core_days = 0.0
    for pair in pairs(study):
        dev, last = planned(pair, study.seeds)
        trials, finals = trials + len(dev), finals + len(last)
        cost = [sum(transfer_flops(each, valid=v) for each in (*dev, *last)) / EXA for v in (False, True)]
        exaflops, valid = exaflops + cost[0], valid + cost[1]
        core_days += cost[1] / chip.rate(pair.upstream.name, utilisation)
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

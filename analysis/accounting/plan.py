"""What a study will cost, from closed forms alone: no model is built, and of the data only the counts are read.

Core-days have an interval, from the highest to the lowest training rate that was measured: of the model, in the rows;
of the chip's models, in the catalogue; or as shares of the peak that the ViT paper's models reached on TPU v3. There is
none for a rate that the user gave or that was measured once.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.accounting.rates import Rates, rates_of_model, training_rate
from clusters.hardware import Hardware, Slice, catalogue
from scaling.flops import parameters, pretrain_flops, transfer_flops
from scaling.schedule import Pair, evaluation_runs, planned_trials, search_pairs
from scaling.specs import Custom, Pretrain, Study, family

EXA = 1e18
CORE_DAYS = ("core_days", "core_days_low", "core_days_high")


@dataclass(frozen=True)
class RunCost:
    """One pre-training run.

    `exaflops` counts every tap of padded convolutions, `exaflops_valid` those inside the image (Table 6's convention).
    Core-days and list price (USD) are those of `exaflops_valid` at the chip's rate; the price is None where unknown.
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
    core_days_low: float | None
    core_days_high: float | None
    price_usd: float | None
    measured: bool  # whether this model's training was timed on the chip
    counted: bool  # whether its FLOPs were counted on the model, for which there is no closed form


@dataclass(frozen=True)
class TransferCost:
    """All fine-tuning of a study: dev trials and final runs. Units as in `RunCost`."""

    trials: int
    finals: int
    exaflops: float
    exaflops_valid: float
    core_days: float
    core_days_low: float | None
    core_days_high: float | None
    price_usd: float | None


@dataclass(frozen=True)
class Plan:
    """The costs of a study on one chip; with `cores` also the wall time, of one run after the other on all of them."""

    study: str
    hardware: str
    rate_note: str
    runs: tuple[RunCost, ...]
    transfer: TransferCost
    slice: str | None = None
    cores: int | None = None
    evaluations: int = 0  # of upstreams, without few-shot probes; their cost is not planned

    @property
    def total(self) -> dict[str, Any]:
        """Sums over the pre-training runs; None where a run's value is."""
        counts = ("images", "steps", "exaflops", "exaflops_valid", *CORE_DAYS, "price_usd")
        return _added([asdict(run) for run in self.runs], counts)

    def whole(self) -> dict[str, Any]:
        """Pre-training and fine-tuning together, in the form of `total`."""
        total, transfer = self.total, asdict(self.transfer)
        counts = ("exaflops", "exaflops_valid", *CORE_DAYS, "price_usd")
        return _added([total, transfer], counts)

    def as_json(self) -> dict[str, Any]:
        """The plan as plain values. Prices and, on a slice, wall times have the intervals of their core-days."""
        return {
            "study": self.study,
            "hardware": self.hardware,
            "rate": self.rate_note,
            "slice": self.slice,
            "cores": self.cores,
            "runs": [self._priced(asdict(run)) for run in self.runs],
            "total": self._priced(self.total),
            "transfer": self._priced(asdict(self.transfer)),
            "whole": self._priced(self.whole()),
            "evaluations": self.evaluations,
        }

    def _priced(self, cost: dict[str, Any]) -> dict[str, Any]:
        chip = catalogue()[self.hardware]
        ends = {end: cost[f"core_days_{end}"] for end in ("low", "high")}
        priced = {f"price_usd_{end}": None if days is None else chip.price_usd(days) for end, days in ends.items()}
        if self.cores is not None:
            priced |= {name.replace("core", "wall"): _over(cost[name], self.cores) for name in CORE_DAYS}
        return cost | priced


def _added(costs: Sequence[dict[str, Any]], counts: Sequence[str]) -> dict[str, Any]:
    """Sums; None where a value is. In the ends of an interval, a cost without one counts with its core-days."""
    sums: dict[str, Any] = {}
    for name in counts:
        values = [cost[name] for cost in costs]
        if name.endswith(("_low", "_high")) and any(value is not None for value in values):
            values = [cost["core_days"] if cost[name] is None else cost[name] for cost in costs]
        sums[name] = None if None in values else sum(values)
    return sums


def _over(days: float | None, cores: int) -> float | None:
    return None if days is None else days / cores


def plan_study(
    study: Study,
    chip: Hardware,
    utilisation: float | None = None,
    measured: Rates | None = None,
    on: Slice | None = None,
) -> Plan:
    """The cost of a study on a chip, and its wall time `on` a slice.

    A given `utilisation` (share of the peak) counts first, then the `measured` rate of a model at its resolution, then
    the catalogue's rate of the chip. Raises ValueError when a data set of the study has no counts of images.
    """
    # a utilisation that the user gives counts before any measurement
    rates = {} if measured is None or utilisation is not None else measured
    runs = tuple(_run_cost(run, chip, utilisation, rates) for run in study.runs)
    note = chip.rate_note(utilisation)
    if rates:
        note = f"the measured step times of {sum(run.measured for run in runs)} of {len(runs)} runs, else {note}"
    transfer = _transfer_cost(study, chip, utilisation, rates)
    evaluations = len(evaluation_runs(study))
    if on is None:
        return Plan(study.name, chip.name, note, runs, transfer, evaluations=evaluations)
    return Plan(study.name, chip.name, note, runs, transfer, on.name, on.cores, evaluations)


def _run_cost(run: Pretrain, chip: Hardware, utilisation: float | None, rates: Rates) -> RunCost:
    valid = pretrain_flops(run, valid=True) / EXA
    own = rates_of_model(rates, run.model, run.resolution)
    rate, ends = training_rate(chip, run.name, own, utilisation)
    return RunCost(
        name=run.name,
        family=family(run.model),
        epochs=run.epochs,
        parameters=parameters(run.model, resolution=run.resolution),
        images=run.steps * run.recipe.batch_size,
        steps=run.steps,
        exaflops=pretrain_flops(run, valid=False) / EXA,
        exaflops_valid=valid,
        **_core_days(valid, rate, ends),
        price_usd=chip.price_usd(valid / rate),
        measured=own is not None,
        counted=isinstance(run.model, Custom),
    )


def _transfer_cost(study: Study, chip: Hardware, utilisation: float | None, rates: Rates) -> TransferCost:
    """The cost of all trials and finals.

    Fine-tunings of one model on one task cost the same, whichever run the model is of, so each is computed once.
    """
    parts = []
    trials = finals = 0
    # a study of a thousand runs has few distinct fine-tunings
    alike: dict[Any, list[Pair]] = {}
    for pair in search_pairs(study):
        alike.setdefault((pair.upstream.name, pair.upstream.model, pair.task), []).append(pair)
    for pair, times in ((same[0], len(same)) for same in alike.values()):
        dev, last = planned_trials(pair, study.seeds)
        trials, finals = trials + times * len(dev), finals + times * len(last)
        for each in (*dev, *last):
            valid = times * transfer_flops(each, valid=True) / EXA
            own = rates_of_model(rates, pair.upstream.model, each.resolution)
            rate, ends = training_rate(chip, pair.upstream.name, own, utilisation)
            flops = {"exaflops": times * transfer_flops(each, valid=False) / EXA, "exaflops_valid": valid}
            parts.append(flops | _core_days(valid, rate, ends))
    sums = _added(parts, ("exaflops", "exaflops_valid", *CORE_DAYS))
    return TransferCost(trials, finals, **sums, price_usd=chip.price_usd(sums["core_days"]))


def _core_days(valid: float, rate: float, ends: tuple[float, float] | None) -> dict[str, Any]:
    # the highest rate gives the fewest days
    low, high = (valid / ends[1], valid / ends[0]) if ends else (None, None)
    return {"core_days": valid / rate, "core_days_low": low, "core_days_high": high}

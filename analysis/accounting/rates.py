"""How fast a chip trains: exaFLOPs per core-day, measured, published, or as a share of the peak."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from clusters.hardware import SECONDS_PER_DAY, Hardware, catalogue, chip_of_device
from scaling.flops import train_flops
from scaling.specs import Architecture, Custom, from_json, to_json, without_representation

Rates = Mapping[tuple[str, int], tuple[float, ...]]  # exaFLOPs per core-day, newest first, by (model, pixels)
PAPER_CHIP = "tpu-v3"


def measured_rates(rows: pl.DataFrame, chip: Hardware) -> Rates:
    """The training rates of a chip by the rows of table measure; empty when none is of the chip."""
    rates: dict[tuple[str, int], tuple[float, ...]] = {}
    for row in rows.sort("measured_at", descending=True).iter_rows(named=True):
        if chip_of_device(row["device"]) == chip:
            model: Architecture = from_json(Architecture, row["spec"])  # type: ignore[arg-type]
            # taps inside the image, as everywhere core-days are planned: the rate and the plan must count alike
            flops = train_flops(model, row["resolution"], row["num_classes"], 1, valid=True)
            rate = flops * row["train_images_per_second"] / row["cores"] * SECONDS_PER_DAY / 1e18
            key = (_key(model), row["resolution"])
            rates[key] = (*rates.get(key, ()), rate)
    return rates


def rates_of_model(rates: Rates, model: Architecture, resolution: int) -> tuple[float, ...] | None:
    """The measured rates of a model, newest first; None if it was not measured."""
    # the test comes first: a key needs the model's whole spec as JSON, too slow for every trial of a large plan
    return rates.get((_key(model), resolution)) if rates else None


def training_rate(
    chip: Hardware, name: str, measured: tuple[float, ...] | None, utilisation: float | None
) -> tuple[float, tuple[float, float] | None]:
    """A core's exaFLOPs per day on a model of that name, and the lowest and highest measured rate, if these differ.

    Measured rates of the model count first, then a given utilisation (share of the peak), which has no interval, then
    the chip's own rate from the catalogue.
    """
    if measured:
        return measured[0], _ends(measured)
    rate = chip.rate(name, utilisation)
    if utilisation is not None:
        return rate, None
    if chip.exaflops_per_core_day:
        return rate, _ends([rate, *chip.exaflops_per_core_day.values()])
    # no run of the paper was on this chip: its own models reached these shares of the peak of a TPU v3
    paper = catalogue()[PAPER_CHIP].exaflops_per_core_day
    return rate, _ends([rate * other / paper["pooled"] for other in paper.values()])


def _ends(rates: Sequence[float]) -> tuple[float, float] | None:
    return (min(rates), max(rates)) if min(rates) < max(rates) else None


def _key(model: Architecture) -> str:
    """What measured rates are looked up by: a model, whatever its pre-training head, and what is known of its costs."""
    model = replace(model, counts=(), fingerprint=None) if isinstance(model, Custom) else without_representation(model)
    return to_json(model)

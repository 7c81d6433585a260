"""What the hardware catalogue knows of an attempt's device: peak rate and list price of a core."""

import polars as pl

from clusters.hardware import SECONDS_PER_DAY, chip_of_device

DTYPES = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp32": "float32",
}  # precision of an attempt: its name in the catalogue


def with_chips(attempts: pl.DataFrame) -> pl.DataFrame:
    """Add what the catalogue knows of a core: `_peak` (FLOP/s in the attempt's precision) and `_price` (USD/s)."""
    keys = [name for name in ("device", "precision") if name in attempts.columns]
    kinds = [
        row | {"_peak": peak_flops(row["device"], row.get("precision")), "_price": price_per_second(row["device"])}
        for row in attempts.select(keys).unique(maintain_order=True).to_dicts()
    ]
    schema = dict.fromkeys(keys, pl.String) | {"_peak": pl.Float64, "_price": pl.Float64}
    # nulls_equal: attempts without a device or precision keep their row, with nothing known of it
    return attempts.join(pl.DataFrame(kinds, schema=schema), on=keys, how="left", nulls_equal=True)


def peak_flops(device: str | None, precision: str | None) -> float | None:
    """Peak FLOP/s of a core, in the chip's own `dtype` when no precision is given; None for an unknown device."""
    chip = chip_of_device(device) if device else None
    if chip is None:
        return None
    peak = chip.peaks.get(DTYPES.get(precision, precision) if precision else chip.dtype)
    return None if peak is None else peak * 1e12 / chip.cores_per_chip


def price_per_second(device: str | None) -> float | None:
    """List price of a core in USD per second; None for an unknown device, or one without a price."""
    chip = chip_of_device(device) if device else None
    price = chip.price_usd(1.0) if chip else None
    return None if price is None else price / SECONDS_PER_DAY

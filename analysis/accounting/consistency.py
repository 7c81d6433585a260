"""What should agree and may not: published speeds, the compute of one model's runs, core time of several chips."""

from typing import Any

import polars as pl

from analysis.accounting.chips import peak_flops
from analysis.accounting.core_days import DAY, core_time_account
from analysis.names import core_unit, figure


def implied_speed(exaflops: float, core_days: float, device: str) -> dict[str, float | None]:
    """The speed that published figures imply, from exaFLOPs and core-days on a device.

    `exaflops_per_core_day`, `tflops_per_core` and `utilisation`: the share of a core's peak, None where the catalogue
    does not know the device. Table 6's exaFLOPs of ViT-H/14 with Table 2's core-days, implied_speed(4262, 2500,
    'tpu-v3'), give 1.70, 19.7 and 0.32. Raises ValueError unless both numbers are above 0.
    """
    if not (0 < exaflops < float("inf") and 0 < core_days < float("inf")):
        raise ValueError(f"exaFLOPs and core-days must be above 0, got {exaflops:g} and {core_days:g}")
    tflops = exaflops * 1e6 / core_days / DAY
    peak = peak_flops(device, None)
    share = None if peak is None else tflops * 1e12 / peak
    return {"exaflops_per_core_day": exaflops / core_days, "tflops_per_core": tflops, "utilisation": share}


def mixed_devices_note(attempts: pl.DataFrame) -> str:
    """In words, why there is no total when several kinds of chip worked; empty for one kind or none."""
    whole = core_time_account(attempts)
    if whole.height < 2:
        return ""
    each = ", ".join(f"{_time(row)} of {row['device']}" for row in whole.to_dicts())
    text = f"{whole.height} kinds of chip worked; their times are not added up, since a core of one is not a core of "
    prices = whole["price_usd"]
    priced = "" if prices.null_count() else f" List price together: ${prices.sum():,.2f}."
    return f"{text}another: {each}.{priced}"


def _time(row: dict[str, Any]) -> str:
    seconds, unit = core_unit(row["core_seconds"], row["device"])
    return f"{figure(row['core_seconds'] / seconds)} {unit}"


def inconsistent_costs(runs: pl.DataFrame, tolerance: float = 0.02) -> pl.DataFrame:
    """Models with runs whose compute is not proportional to their epochs: one row per model.

    `name`, `epochs` and `exaflops` of the run that costs most per epoch, `expected` exaFLOPs by the cost per epoch of
    the run that costs least, and a sentence `text`. `runs` are pre-training rows, or accuracy rows of one task; only
    runs alike in pre-training set, resolution, batch and parameters are compared, where the frame has these columns.
    The ViT paper's Table 6 has one such model: 859 exaFLOPs at 7 epochs.
    """
    cost = pl.col("exaflops_valid") if "exaflops_valid" in runs.columns else pl.col("train_flops_valid") / 1e18
    alike = [name for name in ("name", "dataset", "resolution", "batch_size", "parameters") if name in runs.columns]
    known = runs.select(*alike, "epochs", exaflops=cost).drop_nulls(["epochs", "exaflops"])
    known = known.filter((pl.col("epochs") > 0) & (pl.col("exaflops") > 0)).with_columns(
        per_epoch=pl.col("exaflops") / pl.col("epochs")
    )
    ends = (
        known.sort("per_epoch")
        .group_by(alike, maintain_order=True)
        .agg(
            pl.col("epochs", "exaflops", "per_epoch").last(),
            other_epochs=pl.col("epochs").first(),
            other=pl.col("exaflops").first(),
            low=pl.col("per_epoch").first(),
        )
    )
    # printed figures are rounded, hence the tolerance; runs of equal epochs say nothing about growth with epochs
    odd = ends.filter(
        (pl.col("per_epoch") > pl.col("low") * (1 + tolerance)) & (pl.col("epochs") != pl.col("other_epochs"))
    )
    odd = odd.with_columns(expected=pl.col("low") * pl.col("epochs")).sort("name")
    sentences = pl.struct("name", "epochs", "exaflops", "other", "other_epochs", "expected").map_elements(
        lambda row: (
            f"{row['name']}: {row['exaflops']:,.5g} exaFLOPs at {row['epochs']:g} epochs is inconsistent with its own "
            f"{row['other']:,.5g} at {row['other_epochs']:g}, which gives {row['expected']:,.4g}."
        ),
        pl.String,
    )
    return odd.with_columns(text=sentences).select("name", "epochs", "exaflops", "expected", "text")

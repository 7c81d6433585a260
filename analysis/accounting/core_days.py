"""The account of the machines: occupied core-seconds of every attempt, split into productive and lost parts.

A core is the vendor's core; core-days = core-seconds / 86 400. Core-seconds of different chips are never added up.
"""

import polars as pl

from clusters.hardware import chip_of_device
from scaling.store import UNIT_TABLES

TIME_PARTS = {  # column: what it is; the five add up to `core_seconds`, what was occupied
    "productive": "training kept",
    "repeated": "training lost",
    "waiting": "waiting for data",
    "evaluating": "evaluation",
    "overhead": "set-up, saving",
}
CAUSES = {  # of `losses`: what it is
    "failed": "training lost to an error",
    "diverged": "training lost to a diverged loss",
    "killed": "training lost when killed or preempted",
    "interrupted": "training lost when stopped by a notice",
    "repeated": "training repeated by attempts that went on",
    "restarts": "set-up and checkpoints of further attempts",
    "waiting": "waiting for data",
    "evaluating": "evaluation",
    "first set-up": "set-up and checkpoints of first attempts",
}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}  # of an attempt: as the catalogue says it
DAY = 86_400.0  # seconds


def core_time_account(attempts: pl.DataFrame, by: tuple[str, ...] = ()) -> pl.DataFrame:
    """Attempt rows -> one row a device and group of `by` ('kind', or 'name' and 'family').

    `core_seconds` is cores x seconds_total, and the columns of `PARTS` (core-seconds) add up to it: productive is
    cores x (training - lost), overhead what no clock saw. `killed` counts attempts whose row still says 'running':
    killed, or not ended yet. `tflops_per_core` is TFLOP/s a core over productive time (valid taps), `utilisation` its
    share of the catalogue's dense peak in the attempts' precision; `exaflops_per_core_day` and `utilisation_occupied`
    are over all that was occupied, as Table 2's core-days are. `price_usd` is the list price of it. Null where the
    clocks, the FLOPs or the catalogue say nothing.
    """
    keys = ["device", *by]
    whole = _with_chips(attempts).with_columns(_parts())
    productive, occupied = pl.col("productive"), pl.col("core_seconds")
    sums = whole.group_by(keys).agg(
        pl.col("core_seconds", *TIME_PARTS, "train_flops_valid").sum(),
        attempts=pl.len(),
        failed=pl.col("outcome").is_in(["failed", "diverged"]).sum(),
        killed=(pl.col("outcome") == "running").sum(),
        _clocked=pl.col("seconds_training").is_not_null().all(),
        _known=pl.col("train_flops_valid").is_not_null().all(),
        _reached=_known_sum(productive * pl.col("_peak")),
        _reachable=_known_sum(occupied * pl.col("_peak")),
        price_usd=_known_sum(occupied * pl.col("_price")),
    )
    flops, worked = pl.col("train_flops_valid"), productive > 0
    counted = (occupied > 0) & (flops > 0) & pl.col("_known")
    return (
        sums.with_columns(
            core_days=occupied / DAY,
            productive_core_days=pl.when("_clocked").then(productive / DAY),
            productive_share=pl.when((occupied > 0) & pl.col("_clocked")).then(productive / occupied),
            tflops_per_core=pl.when(worked).then(flops / productive / 1e12),
            utilisation=pl.when(worked & (flops > 0)).then(flops / pl.col("_reached")),
            exaflops_per_core_day=pl.when(counted).then(flops / 1e18 / (occupied / DAY)),
            utilisation_occupied=pl.when(counted).then(flops / pl.col("_reachable")),
        )
        .select(pl.exclude("_clocked", "_known", "_reached", "_reachable"))
        .sort("device", *[_rank(key) for key in by])
    )


def core_time_by_kind(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by kind of work: pretrain, trial, transfer, fewshot."""
    return core_time_account(attempts, ("kind",))


def core_time_by_model(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by model."""
    return core_time_account(attempts, ("family", "name"))


def core_time_by_run(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by unit of work: a pre-training run, trial, transfer or probe."""
    return core_time_account(attempts, ("kind", "family", "name", "unit_id"))


def core_time_by_family(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by family."""
    return core_time_account(attempts, ("family",))


def core_time_by_study(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by study."""
    return core_time_account(attempts, ("study",))


def core_time_losses(attempts: pl.DataFrame, by: tuple[str, ...] = ()) -> pl.DataFrame:
    """What was occupied and not productive, by cause: one row a device, group of `by` and cause of `CAUSES`.

    `core_seconds`, and its `share` of what the device and group occupied. With the first set-ups and the productive
    part the causes add up to what was occupied. A unit's set-up counts as a restart from its second attempt on. No rows
    when no attempt has clocks.
    """
    keys = ["device", *by]
    if attempts["seconds_training"].null_count() == attempts.height:
        attempts = attempts.clear()
    later = pl.int_range(pl.len()).over("unit_id") > 0
    known = attempts.with_columns(_parts()).sort("started", "attempt_id").with_columns(_later=later)
    ended = {"failed": "failed", "diverged": "diverged", "killed": "running", "interrupted": "interrupted"}
    lost = pl.col("repeated")
    causes = {
        **{cause: lost.filter(pl.col("outcome") == outcome).sum() for cause, outcome in ended.items()},
        "repeated": lost.filter(~pl.col("outcome").is_in(list(ended.values()))).sum(),
        "restarts": pl.col("overhead").filter("_later").sum(),
        "waiting": pl.col("waiting").sum(),
        "evaluating": pl.col("evaluating").sum(),
        "first set-up": pl.col("overhead").filter(~pl.col("_later")).sum(),
    }
    wide = known.group_by(keys).agg(_whole=pl.col("core_seconds").sum(), **causes)
    long = wide.unpivot(list(CAUSES), index=[*keys, "_whole"], variable_name="cause", value_name="core_seconds")
    share = pl.when(pl.col("_whole") > 0).then(pl.col("core_seconds") / pl.col("_whole"))
    place = pl.col("cause").replace_strict({name: i for i, name in enumerate(CAUSES)}, return_dtype=pl.Int64)
    return long.with_columns(share=share).sort("device", *[_rank(key) for key in by], place).drop("_whole")


def implied(exaflops: float, core_days: float, device: str) -> dict[str, float | None]:
    """The speed that published figures imply: `exaflops_per_core_day`, `tflops_per_core` and `utilisation` (share of
    the catalogue's peak of a core, null without one). Raises ValueError unless both are above 0.

    Table 2's core-days with Table 6's exaFLOPs: ViT-H/14, implied(4262, 2500, 'tpu-v3'), gives 1.70, 19.7 and 0.32.
    """
    if not (0 < exaflops < float("inf") and 0 < core_days < float("inf")):
        raise ValueError(f"exaFLOPs and core-days must be above 0, got {exaflops:g} and {core_days:g}")
    tflops = exaflops * 1e6 / core_days / DAY
    peak = _peak(device, None)
    share = None if peak is None else tflops * 1e12 / peak
    return {"exaflops_per_core_day": exaflops / core_days, "tflops_per_core": tflops, "utilisation": share}


def mixed_devices_note(attempts: pl.DataFrame) -> str:
    """In words, why there is no total: several kinds of chip worked. Empty for one kind or none."""
    whole = core_time_account(attempts)
    if whole.height < 2:
        return ""
    each = ", ".join(f"{row['core_days']:,.4g} of {row['device']}" for row in whole.to_dicts())
    text = (
        f"{whole.height} kinds of chip worked; their core-days are not added up, since a core of one is not a core of "
    )
    prices = whole["price_usd"]
    priced = "" if prices.null_count() else f" List price together: ${prices.sum():,.2f}."
    return f"{text}another: {each}.{priced}"


def inconsistent_costs(runs: pl.DataFrame, tolerance: float = 0.02) -> pl.DataFrame:
    """Runs of one model whose compute does not grow with their epochs: `name`, `epochs`, `exaflops` (of the run that
    costs most an epoch, beside the run that costs least), `expected` by the other's cost, and a sentence `text`.

    `runs`: pre-training rows, or accuracy rows of one task. Only runs alike in upstream data, resolution, batch and
    parameters are compared, where the frame has these. The ViT paper's Table 6 has one such: 859 at 7 epochs.
    """
    cost = pl.col("exaflops_valid") if "exaflops_valid" in runs.columns else pl.col("train_flops_valid") / 1e18
    alike = [name for name in ("name", "dataset", "resolution", "batch_size", "parameters") if name in runs.columns]
    per = runs.select(*alike, "epochs", exaflops=cost).drop_nulls(["epochs", "exaflops"])
    per = per.filter((pl.col("epochs") > 0) & (pl.col("exaflops") > 0)).with_columns(
        rate=pl.col("exaflops") / pl.col("epochs")
    )
    ends = (
        per.sort("rate")
        .group_by(alike, maintain_order=True)
        .agg(
            pl.col("epochs", "exaflops", "rate").last(),
            other_epochs=pl.col("epochs").first(),
            other=pl.col("exaflops").first(),
            low=pl.col("rate").first(),
        )
    )
    odd = ends.filter((pl.col("rate") > pl.col("low") * (1 + tolerance)) & (pl.col("epochs") != pl.col("other_epochs")))
    odd = odd.with_columns(expected=pl.col("low") * pl.col("epochs")).sort("name")
    made = pl.struct("name", "epochs", "exaflops", "other", "other_epochs", "expected").map_elements(
        lambda row: (
            f"{row['name']}: {row['exaflops']:,.5g} exaFLOPs at {row['epochs']:g} epochs is inconsistent with its own "
            f"{row['other']:,.5g} at {row['other_epochs']:g}, which gives {row['expected']:,.4g}."
        ),
        pl.String,
    )
    return odd.with_columns(text=made).select("name", "epochs", "exaflops", "expected", "text")


def _parts() -> list[pl.Expr]:
    cores, total, training = pl.col("cores"), pl.col("seconds_total"), pl.col("seconds_training").fill_null(0.0)
    evaluating, waiting, lost = (pl.col(f"seconds_{name}").fill_null(0.0) for name in ("evaluating", "waiting", "lost"))
    parts = {
        "core_seconds": total,
        "productive": training - lost,
        "repeated": lost,
        "waiting": waiting,
        "evaluating": evaluating,
        "overhead": total - training - evaluating - waiting,
    }
    return [(cores * seconds).alias(name) for name, seconds in parts.items()]


def _known_sum(value: pl.Expr) -> pl.Expr:
    """The sum, null when a part of it is not known."""
    return pl.when(value.is_not_null().all()).then(value.sum())


def _with_chips(attempts: pl.DataFrame) -> pl.DataFrame:
    """Adds what the catalogue knows of a core: `_peak` (FLOP/s in the attempt's precision) and `_price` (USD/s)."""
    keys = [name for name in ("device", "precision") if name in attempts.columns]
    kinds = [
        row | {"_peak": _peak(row["device"], row.get("precision")), "_price": _price(row["device"])}
        for row in attempts.select(keys).unique(maintain_order=True).to_dicts()
    ]
    schema = dict.fromkeys(keys, pl.String) | {"_peak": pl.Float64, "_price": pl.Float64}
    return attempts.join(pl.DataFrame(kinds, schema=schema), on=keys, how="left", nulls_equal=True)


def _peak(device: str | None, precision: str | None) -> float | None:
    """FLOP/s of a core; of the chip's own `dtype` when no precision is given."""
    chip = chip_of_device(device) if device else None
    if chip is None:
        return None
    peak = chip.peaks.get(DTYPES.get(precision, precision) if precision else chip.dtype)
    return None if peak is None else peak * 1e12 / chip.cores_per_chip


def _price(device: str | None) -> float | None:
    chip = chip_of_device(device) if device else None
    price = chip.price_usd(1.0) if chip else None
    return None if price is None else price / DAY


def _rank(key: str) -> pl.Expr:
    """Kinds in the order of the work, everything else by name."""
    if key != "kind":
        return pl.col(key)
    order = {kind: place for place, kind in enumerate(UNIT_TABLES)}
    return pl.col(key).replace_strict(order, default=len(UNIT_TABLES), return_dtype=pl.Int64)

"""Where the machines' time went: the core-seconds that attempts used, split into productive training and the rest.

Core time used is cores x the time that the attempts held them: from when their process began, or had ended its last
attempt, to their last row. Productive is the part of it in which steps
were trained that the run kept; steps that were lost and trained again are not, nor is waiting, evaluation or set-up.
A core is the vendor's core; core-days = core-seconds / 86 400. Core-seconds of different chips are never added up.
"""

import polars as pl

from analysis.accounting.chips import with_chips
from scaling.store import UNIT_TABLES

TIME_PARTS = {  # column: what it is; the five add up to `core_seconds`, the core time used
    "productive": "productive training",
    "repeated": "training lost",
    "waiting": "waiting for data",
    "evaluating": "evaluation",
    "overhead": "set-up, saving",
}
DAY = 86_400.0  # seconds


def core_time_account(attempts: pl.DataFrame, by: tuple[str, ...] = ()) -> pl.DataFrame:
    """Attempt rows -> one row per device and group of `by` ('kind', or 'name' and 'family').

    `core_seconds` is cores x (seconds_starting + seconds_total); the columns of `TIME_PARTS` (core-seconds) add up to
    it. `productive` is cores x (training - lost), `overhead` the time that no clock measured. `interrupted` counts
    attempts that were stopped on request, `killed` those that were killed, with those whose row still says 'running':
    they were killed, or have not ended yet.

    Over productive time: `tflops_per_core` (TFLOP/s per core, valid taps) and `utilisation`, its share of the
    catalogue's dense peak in the attempts' precision. Over all the time used, as Table 2 counts core-days:
    `exaflops_per_core_day`, `utilisation_occupied` and the list price `price_usd`. A value is null where the rows have
    no clocks or FLOPs, or the catalogue does not know the chip.
    """
    keys = ["device", *by]
    whole = with_chips(attempts).with_columns(time_parts())
    productive, used = pl.col("productive"), pl.col("core_seconds")
    sums = whole.group_by(keys).agg(
        pl.col("core_seconds", *TIME_PARTS, "train_flops_valid").sum(),
        attempts=pl.len(),
        failed=pl.col("outcome").is_in(["failed", "diverged"]).sum(),
        interrupted=(pl.col("outcome") == "interrupted").sum(),
        killed=pl.col("outcome").is_in(["running", "killed"]).sum(),
        _clocked=pl.col("seconds_training").is_not_null().all(),
        _known=pl.col("train_flops_valid").is_not_null().all(),
        _reached=_known_sum(productive * pl.col("_peak")),
        _reachable=_known_sum(used * pl.col("_peak")),
        price_usd=_known_sum(used * pl.col("_price")),
    )
    flops, worked = pl.col("train_flops_valid"), productive > 0
    counted = (used > 0) & (flops > 0) & pl.col("_known")
    return (
        sums.with_columns(
            core_days=used / DAY,
            productive_core_days=pl.when("_clocked").then(productive / DAY),
            productive_share=pl.when((used > 0) & pl.col("_clocked")).then(productive / used),
            tflops_per_core=pl.when(worked).then(flops / productive / 1e12),
            utilisation=pl.when(worked & (flops > 0)).then(flops / pl.col("_reached")),
            exaflops_per_core_day=pl.when(counted).then(flops / 1e18 / (used / DAY)),
            utilisation_occupied=pl.when(counted).then(flops / pl.col("_reachable")),
        )
        .select(pl.exclude("_clocked", "_known", "_reached", "_reachable"))
        .sort("device", *[rank(key) for key in by])
    )


def core_time_by_kind(attempts: pl.DataFrame) -> pl.DataFrame:
    """`core_time_account` by kind of work: pretrain, trial, transfer, fewshot."""
    return core_time_account(attempts, ("kind",))


def core_time_by_model(attempts: pl.DataFrame) -> pl.DataFrame:
    """`core_time_account` by model."""
    return core_time_account(attempts, ("family", "name"))


def core_time_by_run(attempts: pl.DataFrame) -> pl.DataFrame:
    """`core_time_account` by unit of work: a pre-training run, trial, transfer or probe."""
    return core_time_account(attempts, ("kind", "family", "name", "unit_id"))


def core_time_by_family(attempts: pl.DataFrame) -> pl.DataFrame:
    """`core_time_account` by family."""
    return core_time_account(attempts, ("family",))


def core_time_by_study(attempts: pl.DataFrame) -> pl.DataFrame:
    """`core_time_account` by study."""
    return core_time_account(attempts, ("study",))


def occupied_seconds() -> pl.Expr:
    """Seconds that an attempt held its devices; the time before its start is not known of rows before version 5."""
    return pl.col("seconds_total") + pl.col("seconds_starting").fill_null(0.0)


def time_parts() -> list[pl.Expr]:
    """`core_seconds` and the columns of `TIME_PARTS`, from an attempt's clocks; a clock that is null counts as 0."""
    cores, total, training = pl.col("cores"), occupied_seconds(), pl.col("seconds_training").fill_null(0.0)
    evaluating, waiting, lost = (pl.col(f"seconds_{name}").fill_null(0.0) for name in ("evaluating", "waiting", "lost"))
    parts = {
        "core_seconds": total,
        "productive": training - lost,
        "repeated": lost,
        "waiting": waiting,
        "evaluating": evaluating,
        # what no clock measured, so that the parts always add up
        "overhead": total - training - evaluating - waiting,
    }
    return [(cores * seconds).alias(name) for name, seconds in parts.items()]


def _known_sum(value: pl.Expr) -> pl.Expr:
    """The sum, null when one of its values is."""
    # polars leaves nulls out of a sum, which would then look complete
    return pl.when(value.is_not_null().all()).then(value.sum())


def rank(key: str) -> pl.Expr:
    """The sort key of a grouping column: kinds in the order of the work, everything else by name."""
    if key != "kind":
        return pl.col(key)
    order = {kind: place for place, kind in enumerate(UNIT_TABLES)}
    return pl.col(key).replace_strict(order, default=len(UNIT_TABLES), return_dtype=pl.Int64)

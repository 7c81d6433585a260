"""Core time that was used and not productive, by cause."""

import polars as pl

from analysis.accounting.core_days import rank, time_parts

CAUSES = {  # cause: what the time went to
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


def core_time_losses(attempts: pl.DataFrame, by: tuple[str, ...] = ()) -> pl.DataFrame:
    """Unproductive core time by cause: one row per device, group of `by` and cause of `CAUSES`.

    `core_seconds`, and its `share` of the core time that the device and group used. The causes and the productive part
    add up to that. From a unit's second attempt on, set-up counts as 'restarts'. No rows when no attempt has clocks.
    """
    keys = ["device", *by]
    if attempts["seconds_training"].null_count() == attempts.height:
        # published totals, such as Table 2's, have no clocks: nothing is known of their causes
        attempts = attempts.clear()
    # the first attempt of a unit has to set up anyway; what further ones spend on it is a loss
    later = pl.int_range(pl.len()).over("unit_id") > 0
    known = attempts.with_columns(time_parts()).sort("started", "attempt_id").with_columns(_later=later)
    ended = {"failed": "failed", "diverged": "diverged", "killed": "killed", "interrupted": "interrupted"}
    lost, outcome = pl.col("repeated"), pl.col("outcome").replace("running", "killed")  # nobody has closed its account
    causes = {
        **{cause: lost.filter(outcome == how).sum() for cause, how in ended.items()},
        "repeated": lost.filter(~outcome.is_in(list(ended.values()))).sum(),
        "restarts": pl.col("overhead").filter("_later").sum(),
        "waiting": pl.col("waiting").sum(),
        "evaluating": pl.col("evaluating").sum(),
        "first set-up": pl.col("overhead").filter(~pl.col("_later")).sum(),
    }
    wide = known.group_by(keys).agg(_whole=pl.col("core_seconds").sum(), **causes)
    long = wide.unpivot(list(CAUSES), index=[*keys, "_whole"], variable_name="cause", value_name="core_seconds")
    share = pl.when(pl.col("_whole") > 0).then(pl.col("core_seconds") / pl.col("_whole"))
    # in the order of CAUSES, losses of training first
    place = pl.col("cause").replace_strict({name: i for i, name in enumerate(CAUSES)}, return_dtype=pl.Int64)
    return long.with_columns(share=share).sort("device", *[rank(key) for key in by], place).drop("_whole")

"""Plan against actual: what a study should have cost by closed forms, what its attempts used, and what went wrong.

The plan is made again from `study.json`, for the chip that did the work, so that core-days can be compared.
"""

import polars as pl

from analysis.accounting.core_days import occupied_seconds
from analysis.accounting.plan import plan_study
from analysis.rows import with_display_name
from clusters.hardware import catalogue, chip_of_device
from scaling.specs import Study

DAY, EXA = 86_400.0, 1e18
COLUMNS = {
    **{"unit_id": pl.String, "kind": pl.String, "name": pl.String, "family": pl.String},
    **{"planned_exaflops": pl.Float64, "planned_core_days": pl.Float64},
}
NOT_DONE = {
    "running": "killed or not ended yet",
    "interrupted": "stopped on request",
}  # other outcomes are shown as they are


def planned_costs(study: Study, device: str) -> pl.DataFrame:
    """The plan's costs, one row per pre-training run and one for all fine-tuning: `COLUMNS` (exaFLOPs of valid taps).

    Core-days are null where the catalogue has no rate of the device. No rows when the study cannot be planned.
    """
    chip = chip_of_device(device)
    try:
        costs = plan_study(study, chip or catalogue()[study.hardware])
    except (ValueError, KeyError):  # data sets without counts, or a chip without a rate
        return pl.DataFrame(schema=COLUMNS)
    known = chip is not None
    rows = [
        (run.id, "pretrain", run.name, cost.family, cost.exaflops_valid, cost.core_days if known else None)
        for run, cost in zip(study.runs, costs.runs, strict=True)
    ]
    tuned = costs.transfer
    if tuned.trials or tuned.finals:
        rows.append(("", "fine-tuning", "", "", tuned.exaflops_valid, tuned.core_days if known else None))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def actual_costs(attempts: pl.DataFrame) -> pl.DataFrame:
    """What attempts used, in the rows of `planned_costs`: one per run, one for all trials and finals.

    Committed `exaflops` (valid taps), `core_days` used, `productive_core_days` and `attempts`.
    """
    tuning = pl.col("kind").is_in(["trial", "transfer"])
    kinds = attempts.filter(tuning | (pl.col("kind") == "pretrain")).with_columns(
        # all fine-tuning in one row, as in the plan
        unit_id=pl.when(tuning).then(pl.lit("")).otherwise("unit_id"),
        kind=pl.when(tuning).then(pl.lit("fine-tuning")).otherwise("kind"),
    )
    seconds = pl.col("cores") * occupied_seconds()
    productive = pl.col("cores") * (pl.col("seconds_training") - pl.col("seconds_lost"))
    return kinds.group_by("kind", "unit_id").agg(
        exaflops=pl.col("train_flops_valid").sum() / EXA,
        core_days=seconds.sum() / DAY,
        productive_core_days=productive.sum() / DAY,
        attempts=pl.len(),
        about=pl.when(pl.col("kind") == "pretrain").then(pl.col("name")).first(),
    )


def against_plan(study: Study | None, attempts: pl.DataFrame, pretrain: pl.DataFrame) -> pl.DataFrame:
    """The plan and what was done: one row per run in the study's order, then the fine-tuning, then unplanned runs.

    `done_share` is the share of the planned exaFLOPs that is done; `cost_ratio` the core-days used over those that the
    plan gives to that share, null without a plan or rate. Empty without a study, and when several kinds of chip worked:
    their core-days cannot be compared.
    """
    devices = attempts["device"].unique().to_list()
    if study is None or len(devices) != 1:
        return pl.DataFrame()
    plan = planned_costs(study, devices[0]).with_row_index("_order")
    # a full join: runs that are not in the study any more were paid for too
    joined = plan.join(actual_costs(attempts), on=["kind", "unit_id"], how="full", coalesce=True)
    named = with_display_name(pretrain).select(unit_id="run_id", label="label")
    share = pl.when(pl.col("planned_exaflops") > 0).then(pl.col("exaflops").fill_null(0.0) / pl.col("planned_exaflops"))
    joined = joined.join(named, on="unit_id", how="left").with_columns(
        name=pl.coalesce("label", pl.col("name").replace("", None), "about"), done_share=share
    )
    due = pl.col("planned_core_days") * pl.col("done_share")
    ratio = pl.when(due > 0).then(pl.col("core_days") / due)
    return joined.with_columns(cost_ratio=ratio).sort("_order", nulls_last=True).drop("_order", "label", "about")


def plan_vs_actual_by_family(compared: pl.DataFrame) -> pl.DataFrame:
    """`against_plan`'s rows summed over the runs of each family, for studies of many runs."""
    sums = compared.group_by("kind", "family", maintain_order=True).agg(
        pl.col("planned_exaflops", "planned_core_days", "exaflops", "core_days", "productive_core_days").sum(),
        pl.col("attempts").sum(),
        runs=pl.len(),
    )
    share = pl.when(pl.col("planned_exaflops") > 0).then(pl.col("exaflops") / pl.col("planned_exaflops"))
    due = pl.col("planned_core_days") * share
    return sums.with_columns(done_share=share, cost_ratio=pl.when(due > 0).then(pl.col("core_days") / due))


def mishaps(attempts: pl.DataFrame) -> pl.DataFrame:
    """The attempts that did not finish their unit, in order of time.

    Among the columns: `what` became of the attempt, its reason and steps, `lost` core-seconds, and `after`: whether the
    unit was 'done by another attempt' or is 'not done'.
    """
    done = attempts.filter(outcome="done").select("unit_id").unique().with_columns(_done=pl.lit(True))
    missed = attempts.filter(pl.col("outcome") != "done").join(done, on="unit_id", how="left")
    return missed.sort("started").select(
        *("kind", "name", "family", "device", "host", "started", "unit_id", "last_step", "committed_step", "reason"),
        what=pl.col("outcome").replace(NOT_DONE),
        lost=pl.col("cores") * pl.col("seconds_lost"),
        after=pl.when(pl.col("_done")).then(pl.lit("done by another attempt")).otherwise(pl.lit("not done")),
    )


def mishaps_text(attempts: pl.DataFrame) -> str:
    """How many attempts did not finish their unit, by what became of them: '1 failed, 2 stopped on request'."""
    counts = attempts.filter(pl.col("outcome") != "done").group_by(what=pl.col("outcome").replace(NOT_DONE)).len()
    return ", ".join(f"{count:,} {what}" for what, count in counts.sort("what").iter_rows())


def restarts(attempts: pl.DataFrame) -> str:
    """In words: how many units needed more than one attempt, and whether every unit is done."""
    units = attempts.group_by("unit_id").agg(tries=pl.len(), done=(pl.col("outcome") == "done").any())
    most = max(units["tries"], default=0)
    again, open_ = units.filter(pl.col("tries") > 1).height, units.filter(~pl.col("done")).height
    said = f"{attempts.height:,} attempts at {units.height:,} units of work; "
    said += "each needed one" if not again else f"{again:,} needed more than one, at most {most}"
    return f"{said}. " + ("Every unit is done." if not open_ else f"{open_:,} units were begun and are not done.")

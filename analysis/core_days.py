"""The account of the machines: occupied core-seconds of every attempt, split into productive and lost parts.

A core is the vendor's core; core-days = core-seconds / 86 400. Core-seconds of different chips are never added up.
"""

import polars as pl

PARTS = {  # column: what it is; the five add up to `core_seconds`, what was occupied
    "productive": "training steps that count",
    "repeated": "training steps lost or repeated",
    "waiting": "waiting for data",
    "evaluating": "evaluation",
    "overhead": "set-up and checkpoints",
}
KINDS = ("pretrain", "trial", "transfer", "fewshot")
DAY = 86_400.0  # seconds


def account(attempts: pl.DataFrame, by: tuple[str, ...] = ()) -> pl.DataFrame:
    """Attempt rows -> one row a device and group of `by` ('kind', or 'name' and 'family').

    `core_seconds` is cores x seconds_total, and the columns of `PARTS` (core-seconds) add up to it: productive is
    cores x (training - lost), overhead what no clock saw. `killed` counts attempts whose row still says 'running':
    killed, or not ended yet. `tflops_per_core` is TFLOP/s a core over productive time (valid taps), null without any.
    """
    keys = ["device", *by]
    whole = attempts.with_columns(_parts())
    sums = whole.group_by(keys).agg(
        pl.col("core_seconds", *PARTS, "train_flops_valid").sum(),
        attempts=pl.len(),
        failed=pl.col("outcome").is_in(["failed", "diverged"]).sum(),
        killed=(pl.col("outcome") == "running").sum(),
    )
    worked = pl.col("productive") > 0
    return sums.with_columns(
        core_days=pl.col("core_seconds") / DAY,
        productive_core_days=pl.col("productive") / DAY,
        productive_share=pl.when(pl.col("core_seconds") > 0).then(pl.col("productive") / pl.col("core_seconds")),
        tflops_per_core=pl.when(worked).then(pl.col("train_flops_valid") / pl.col("productive") / 1e12),
    ).sort("device", *[_rank(key) for key in by])


def by_kind(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by kind of work: pretrain, trial, transfer, fewshot."""
    return account(attempts, ("kind",))


def by_model(attempts: pl.DataFrame) -> pl.DataFrame:
    """`account` by model."""
    return account(attempts, ("family", "name"))


def inconsistent(runs: pl.DataFrame, tolerance: float = 0.02) -> pl.DataFrame:
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
    cores, total, training = pl.col("cores"), pl.col("seconds_total"), pl.col("seconds_training")
    evaluating, waiting, lost = pl.col("seconds_evaluating"), pl.col("seconds_waiting"), pl.col("seconds_lost")
    parts = {
        "core_seconds": total,
        "productive": training - lost,
        "repeated": lost,
        "waiting": waiting,
        "evaluating": evaluating,
        "overhead": total - training - evaluating - waiting,
    }
    return [(cores * seconds).alias(name) for name, seconds in parts.items()]


def _rank(key: str) -> pl.Expr:
    """Kinds in the order of the work, everything else by name."""
    if key != "kind":
        return pl.col(key)
    order = {kind: place for place, kind in enumerate(KINDS)}
    return pl.col(key).replace_strict(order, default=len(KINDS), return_dtype=pl.Int64)

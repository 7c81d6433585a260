"""The numbers of a study's evaluations, by model: nearest neighbours, linear probes, calibration, the user's own."""

import polars as pl

from analysis.rows.load import Rows
from analysis.rows.models import merge_seeds, models_by_run, with_run_names

FRACTIONS = ("top1", "dev top1", "ece", "mean error", "mCE")  # metrics that are shown in %


def metric_means(rows: Rows) -> pl.DataFrame:
    """Evaluation rows -> one row per model and number: its mean and standard deviation over the model's runs.

    `label` says what was measured, `in_percent` whether it is a fraction; `name` is the model's in figures, with 'from
    scratch' for a baseline. `exaflops_valid` is the pre-training's compute, null without one.
    """
    compute = rows.pretrain.select("run_id", exaflops_valid=pl.col("train_flops_valid").fill_nan(None) / 1e18)
    scratch = pl.col("run_id").is_in(rows.transfer.filter(~pl.col("pretrained"))["run_id"].implode())
    # as with tasks: no two protocols of one name are mixed
    ambiguous = pl.col("protocol_id").n_unique().over("dataset", "evaluation") > 1
    name = pl.when(ambiguous).then(pl.format("{}#{}", "evaluation", pl.col("protocol_id").str.head(4)))
    named = with_run_names(rows.metric, rows.pretrain).with_columns(
        name=pl.col("name") + pl.when(scratch).then(pl.lit(" from scratch")).otherwise(pl.lit("")),
        label=pl.concat_str(
            ["dataset", name.otherwise("evaluation"), pl.col("setting").replace("", None), "metric"],
            separator=" ",
            ignore_nulls=True,
        ),
        in_percent=pl.col("metric").is_in(FRACTIONS),
        value=pl.col("value").fill_nan(None),
    )
    merged = merge_seeds(named.drop_nulls("value"), models_by_run(rows.pretrain, rows.transfer))
    keys = ["run_id", "label", "in_percent", "headline"]
    means = merged.group_by(keys, maintain_order=True).agg(
        pl.col("name", "family").first(), mean=pl.col("value").mean(), std=pl.col("value").std(ddof=1), seeds=pl.len()
    )
    return means.join(compute, on="run_id", how="left", maintain_order="left").sort("label", "name", "run_id")

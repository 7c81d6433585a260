"""Runs that differ in nothing but their seed are one model: its accuracies are means over all of them."""

import json

import polars as pl


def models(pretrain: pl.DataFrame, transfer: pl.DataFrame) -> pl.DataFrame:
    """Which model each run belongs to: `run_id`, and `model`, the id of the model's first run.

    Pre-training runs are compared by their specs without the seed; controls from scratch by name and family.
    """
    runs = pretrain.sort("seed", "run_id").select("run_id", key=pl.col("spec").map_elements(_seedless, pl.String))
    controls = (
        transfer.filter(~pl.col("pretrained"))
        .sort("seed", "run_id")
        .select("run_id", key=pl.format("{} {} from scratch", "name", "family"))
    )
    found = pl.concat([runs, controls]).unique("run_id", keep="first", maintain_order=True)
    alone = pl.col("key").is_null()
    return found.select("run_id", model=pl.when(alone).then("run_id").otherwise(pl.col("run_id").first().over("key")))


def merged(frame: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """The frame with the run_id of each model's first run in place of its replicas'."""
    joined = frame.join(models, on="run_id", how="left", maintain_order="left")
    return joined.with_columns(run_id=pl.coalesce("model", "run_id")).drop("model")


def _seedless(spec: str) -> str:
    value = json.loads(spec)
    value.pop("seed", None)
    return json.dumps(value, sort_keys=True)

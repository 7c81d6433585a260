"""Which runs are one model, and what a model is called in tables and figures."""

import json

import polars as pl


def with_display_name(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `label`: the model's name, followed by its epochs where the frame has one name at several lengths."""
    several = pl.col("epochs").drop_nulls().n_unique().over("name") > 1
    with_epochs = pl.format("{} ({} ep)", "name", pl.col("epochs").map_elements("{:g}".format, return_dtype=pl.String))
    return frame.with_columns(
        label=pl.when(several & pl.col("epochs").is_not_null()).then(with_epochs).otherwise("name")
    )


def with_run_names(frame: pl.DataFrame, pretrain: pl.DataFrame) -> pl.DataFrame:
    """Replace `name` by the label of `with_display_name`, in rows that do not hold the epochs themselves."""
    # names come from the pre-training rows: only these have the epochs
    named = with_display_name(pretrain).select("run_id", "label")
    return (
        frame.join(named, on="run_id", how="left", maintain_order="left")
        .with_columns(name=pl.coalesce("label", "name"))
        .drop("label")
    )


def with_pretraining(frame: pl.DataFrame, pretrain: pl.DataFrame) -> pl.DataFrame:
    """Add to rows of fine-tunings `label`, the model as figures name it, and its pre-training's `exaflops_valid`.

    From-scratch baselines are marked as such in the label and have 0 exaFLOPs.
    """
    named = with_display_name(pretrain).select("run_id", "label", exaflops_valid=pl.col("train_flops_valid") / 1e18)
    scratch = pl.when("pretrained").then(pl.lit("")).otherwise(pl.lit(" from scratch"))
    return frame.join(named, on="run_id", how="left").with_columns(
        label=pl.coalesce("label", "name") + scratch, exaflops_valid=pl.col("exaflops_valid").fill_null(0.0)
    )


def models_by_run(pretrain: pl.DataFrame, transfer: pl.DataFrame) -> pl.DataFrame:
    """Which model each run belongs to: `run_id`, and `model`, the id of the model's first run.

    Two pre-training runs are one model when their specs differ in the seed alone; two from-scratch baselines when they
    have the same name and family.
    """
    runs = pretrain.sort("seed", "run_id").select("run_id", key=pl.col("spec").map_elements(_seedless, pl.String))
    baselines = (
        transfer.filter(~pl.col("pretrained"))
        .sort("seed", "run_id")
        .select("run_id", key=pl.format("{} {} from scratch", "name", "family"))
    )
    keyed = pl.concat([runs, baselines]).unique("run_id", keep="first", maintain_order=True)
    no_spec = pl.col("key").is_null()  # published rows of other papers' models: each run is a model of its own
    return keyed.select("run_id", model=pl.when(no_spec).then("run_id").otherwise(pl.col("run_id").first().over("key")))


def merge_seeds(frame: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Give the rows of a model's replicas the run_id of its first run; `models` is `models_by_run`'s frame."""
    joined = frame.join(models, on="run_id", how="left", maintain_order="left")
    return joined.with_columns(run_id=pl.coalesce("model", "run_id")).drop("model")


def _seedless(spec: str) -> str | None:
    """The spec without its seed; None for what is none: such a run is a model of its own."""
    try:
        fields = json.loads(spec)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    fields.pop("seed", None)
    return json.dumps(fields, sort_keys=True)

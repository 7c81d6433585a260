"""What the specs of runs say, as columns that the ViT paper's figures and tables are grouped by."""

from dataclasses import replace

import polars as pl

from analysis.rows import Rows, accuracies
from scaling.specs import ZOO, Pretrain, from_json, without_representation

SHAPE_FIELDS = ("depth", "width", "mlp_dim", "patch_size")


def paper_runs(pretrain: pl.DataFrame) -> pl.DataFrame:
    """Adds to rows of pre-training what their specs say, null where there is none.

    `model`: name in the zoo, else the run's; `samples`: images of the training set; `optimizer`, `positions`,
    `positions_at`; and the dimensions of a plain ViT: `depth`, `width`, `mlp_dim`, `patch_size`.
    """
    paths = {"optimizer": "recipe.optimizer"} | {
        name: f"model.{name}" for name in ("kind", "positions", "positions_at")
    }
    read = {name: pl.col("spec").str.json_path_match(f"$.{path}") for name, path in paths.items()}
    shape = [pl.col("spec").str.json_path_match(f"$.model.{name}").cast(pl.Int64).alias(name) for name in SHAPE_FIELDS]
    known = pretrain.with_columns(*shape, **read, samples=(pl.col("images") / pl.col("epochs")).round())
    names = [_model(row["spec"], row["name"]) for row in pretrain.select("spec", "name").to_dicts()]
    return known.with_columns(model=pl.Series(names, dtype=pl.String))


def _model(spec: str | None, name: str) -> str:
    if spec is None:
        return name
    built = without_representation(from_json(Pretrain, spec).model)
    return next((known for known, model in ZOO.items() if without_representation(model) == built), name)


def fewshot_accuracies(rows: Rows) -> pl.DataFrame:
    """Few-shot accuracies as `accuracies`, whatever was fine-tuned, with the columns of `described`."""
    few = accuracies(replace(rows, transfer=rows.transfer.clear(), trial=rows.trial.clear()))
    few = few.filter("pretrained")
    columns = ("run_id", "model", "samples", "dataset", *SHAPE_FIELDS, "kind")
    return few.join(paper_runs(rows.pretrain).select(columns), on="run_id", how="inner")

"""What the specs of runs say, as columns that the ViT paper's figures and tables are grouped by.

What a run is (its model, optimizer, data) is read from its spec and its columns, never from its name.
"""

from dataclasses import replace

import polars as pl

from analysis.rows import Rows, accuracies
from scaling.specs import ZOO, Pretrain, from_json, without_representation

SHAPE_FIELDS = ("depth", "width", "mlp_dim", "patch_size")  # the dimensions of a plain ViT


def paper_runs(pretrain: pl.DataFrame) -> pl.DataFrame:
    """Add to rows of pre-training what their specs say; a column is null for models that have no such field.

    `model` is the model's name in the zoo, or the run's name; `samples` the number of images in the training set.
    `kind`, `optimizer`, `positions`, `positions_at` and `SHAPE_FIELDS` are as in the spec.
    """
    paths = {"optimizer": "recipe.optimizer"} | {
        name: f"model.{name}" for name in ("kind", "positions", "positions_at")
    }
    read = {name: pl.col("spec").str.json_path_match(f"$.{path}") for name, path in paths.items()}
    sizes = {name: pl.col("spec").str.json_path_match(f"$.model.{name}") for name in SHAPE_FIELDS}
    shape = [size.cast(pl.Int64, strict=False).alias(name) for name, size in sizes.items()]
    # images seen over passes: no column holds the size of the training set
    known = pretrain.with_columns(*shape, **read, samples=(pl.col("images") / pl.col("epochs")).round())
    names = [_model(row["spec"], row["name"]) for row in pretrain.select("spec", "name").to_dicts()]
    return known.with_columns(model=pl.Series(names, dtype=pl.String))


def _model(spec: str | None, name: str) -> str:
    if spec is None:
        return name
    # without its pre-training head, which the zoo's model may have and the run not
    try:
        built = without_representation(from_json(Pretrain, spec).model)
    except (ValueError, RecursionError):  # of somebody else's rows
        return name
    return next((known for known, model in ZOO.items() if without_representation(model) == built), name)


def fewshot_accuracies(rows: Rows) -> pl.DataFrame:
    """The few-shot accuracies of pre-trained models as `accuracies`, with the columns of `paper_runs`.

    Fine-tunings are left out: `accuracies` would judge the models by them.
    """
    few = accuracies(replace(rows, transfer=rows.transfer.clear(), trial=rows.trial.clear()))
    few = few.filter("pretrained")
    columns = ("run_id", "model", "samples", "dataset", *SHAPE_FIELDS, "kind")
    return few.join(paper_runs(rows.pretrain).select(columns), on="run_id", how="inner")


def shape_lines(scores: pl.DataFrame) -> pl.DataFrame:
    """Plain ViTs as lines that start at a common base shape: adds `line` and `relative`; the base is on every line.

    `scores` are `fewshot_accuracies`' rows. `line` is the one dimension of `SHAPE_FIELDS` in which a run differs from
    the base, or 'all' where it differs in every one; runs that differ in two or three are on no line. `relative` is
    the compute over the base's. The base is the shape from which most others differ in one dimension. No rows when
    fewer than two dimensions were varied.
    """
    plain = scores.filter(pl.col("kind") == "vit").drop_nulls([*SHAPE_FIELDS, "exaflops_valid"])
    models = plain.select("run_id", *SHAPE_FIELDS).unique("run_id", maintain_order=True).sort(*SHAPE_FIELDS)
    best: dict[str, str] = {}  # run_id: its line, from the base found so far
    base: str | None = None
    for one in models.to_dicts():
        lines = {}
        for other in models.to_dicts():
            changed = [name for name in SHAPE_FIELDS if other[name] != one[name]]
            if len(changed) in (1, len(SHAPE_FIELDS)):
                lines[other["run_id"]] = changed[0] if len(changed) == 1 else "all"
        if sum(line != "all" for line in lines.values()) > sum(line != "all" for line in best.values()):
            base, best = one["run_id"], lines
    names = [name for name in (*SHAPE_FIELDS, "all") if name in best.values()]
    if base is None or len(set(names) - {"all"}) < 2:
        return plain.clear().with_columns(line=pl.lit(""), relative=pl.lit(1.0))
    pairs = [*best.items(), *((base, name) for name in names)]
    on = pl.DataFrame(pairs, schema=["run_id", "line"], orient="row")
    compute = pl.col("exaflops_valid").filter(pl.col("run_id") == base).first()
    return (
        plain.with_columns(relative=pl.col("exaflops_valid") / compute).join(on, on="run_id").sort("line", "relative")
    )

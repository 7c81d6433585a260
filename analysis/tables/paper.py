"""The ViT paper's Tables 2, 5, 6, 7, 8 and 9 from rows: frames of text cells, with captions."""

from collections.abc import Callable

import polars as pl

from analysis.accounting import occupied_seconds
from analysis.compare import fewshot_accuracies, paper_runs, vtab_scores, vtab_scores_table, vtab_top1
from analysis.names import core_unit
from analysis.rows import Rows, accuracies, tasks_of, with_display_name
from analysis.tables.cells import percent
from analysis.tables.results import results_table

KINDS = {"none": "none", "1d": "1-D", "2d": "2-D", "relative": "relative"}
PLACES = {"stem": "at the stem", "every_layer": "every layer", "every_layer_shared": "every layer, shared"}


def paper_tables(rows: Rows) -> dict[str, tuple[pl.DataFrame, str]]:
    """The tables that the rows are enough for: name -> (text cells, caption)."""
    tables: dict[str, tuple[Callable[[Rows], pl.DataFrame], str]] = {
        "table2": (
            comparison,
            "Accuracy (%) by task, mean and standard deviation over seeds, and core time of pre-training",
        ),
        "table5": (by_dataset, "Top-1 accuracy (%) by pre-training set and by task"),
        "table6": (results_table, "Models: pre-training compute, parameters and top-1 accuracy (%)"),
        "table7": (by_optimizer, "Top-1 accuracy (%) by pre-training optimizer"),
        "table8": (by_positions, "Few-shot accuracy (%) by kind and place of position embeddings"),
        "table9": (vtab_table, "VTAB-1k: top-1 accuracy (%) by task, group and mean"),
    }
    drawn = {name: (draw(rows), caption) for name, (draw, caption) in tables.items()}
    return {name: (frame, caption) for name, (frame, caption) in drawn.items() if frame.height}


def comparison(rows: Rows) -> pl.DataFrame:
    """Table 2: one row per task and one column per pre-trained model; then the core time of pre-training by device."""
    scores = with_display_name(accuracies(rows).filter("pretrained"))
    if rows.transfer.is_empty() or scores.is_empty():
        return pl.DataFrame()
    runs = scores.select("run_id", "label").unique(maintain_order=True)
    columns = _unique(runs)
    cells = {
        (task, run): percent(mean, std)
        for task, run, mean, std in scores.select("task", "run_id", "top1_mean", "top1_std").iter_rows()
    }
    body = [
        {"task": task} | {name: cells.get((task, run), "–") for run, name in columns.items()}
        for task in tasks_of(scores)
    ]
    spent = rows.attempt.filter(pl.col("kind") == "pretrain").with_columns(
        core_seconds=pl.col("cores") * occupied_seconds()
    )
    spent = spent.filter(pl.col("unit_id").is_in(list(columns)))
    totals = spent.group_by("device", "unit_id").agg(pl.col("core_seconds").sum())
    for (device,), part in totals.sort("device").group_by("device", maintain_order=True):
        size, unit = core_unit(float(str(part["core_seconds"].max())), str(device))
        by_run = dict(part.select("unit_id", "core_seconds").iter_rows())
        row = {name: f"{by_run[run] / size:,.4g}" if run in by_run else "–" for run, name in columns.items()}
        body.append({"task": f"{unit} ({device})"} | row)
    return pl.DataFrame(body)


def _unique(runs: pl.DataFrame) -> dict[str, str]:
    """Column names by run_id: the label, with the id's first digits where two runs have the same label."""
    several = pl.col("run_id").n_unique().over("label") > 1
    names = pl.when(several).then(pl.format("{} #{}", "label", pl.col("run_id").str.head(6))).otherwise("label")
    return dict(runs.with_columns(label=names).iter_rows())


def by_dataset(rows: Rows) -> pl.DataFrame:
    """Table 5: one row per (data set, task), one column per model; of several runs, the one with most compute."""
    facts = paper_runs(rows.pretrain).select("run_id", "model", "dataset", "samples")
    scores = accuracies(rows).filter("pretrained").join(facts, on="run_id").drop_nulls(["dataset", "samples"])
    # subsets of a data set are Figure 4's
    scores = scores.filter(pl.col("samples") > 0.9 * pl.col("samples").max().over("dataset"))
    if scores["dataset"].n_unique() < 2:
        return pl.DataFrame()
    scores = scores.sort("samples", "exaflops_valid", descending=[False, True], maintain_order=True)
    return _pivot(scores, ["dataset", "task"], "model")


def by_optimizer(rows: Rows) -> pl.DataFrame:
    """Table 7: one row per task, one column per model and optimizer, of models pre-trained with several optimizers."""
    facts = paper_runs(rows.pretrain).select("run_id", "model", "optimizer", "dataset")
    scores = accuracies(rows).filter("pretrained").join(facts, on="run_id").drop_nulls("optimizer")
    scores = scores.filter(pl.col("optimizer").n_unique().over("model", "dataset", "epochs") > 1)
    return _pivot(scores.with_columns(column=pl.format("{}, {}", "model", "optimizer")), ["task"], "column")


def by_positions(rows: Rows) -> pl.DataFrame:
    """Table 8: one row per few-shot task and kind of position embedding, one column per place of its use.

    Only models that were trained with several kinds are shown. No and relative positions are added at no place of
    their own, so they have a value in the first column alone.
    """
    facts = paper_runs(rows.pretrain).select("run_id", "positions", "positions_at")
    scores = fewshot_accuracies(rows).join(facts, on="run_id").drop_nulls("positions")
    # a ViT's dimensions say which runs are one model with other positions
    same = pl.struct("depth", "width", "mlp_dim", "patch_size", "dataset", "samples", "epochs")
    scores = scores.filter(pl.col("positions").n_unique().over(same) > 1)
    scores = scores.with_columns(
        positions=pl.col("positions").replace(KINDS), place=pl.col("positions_at").replace(PLACES)
    )
    return _pivot(scores, ["task", "positions"], "place")


def vtab_table(rows: Rows) -> pl.DataFrame:
    """Table 9: VTAB-1k by task, group and mean; empty without VTAB rows."""
    try:
        return vtab_scores_table(vtab_scores(vtab_top1(rows)))
    except ValueError:
        return pl.DataFrame()


def _pivot(scores: pl.DataFrame, index: list[str], column: str) -> pl.DataFrame:
    """Cells 'mean ± deviation', rows and columns in order of first appearance; of several values the first counts."""
    if scores.is_empty():
        return pl.DataFrame()
    scores = scores.filter(pl.col("task").is_in(tasks_of(scores)))
    firsts = scores.unique([*index, column], keep="first", maintain_order=True)
    texts = [percent(mean, std) for mean, std in firsts.select("top1_mean", "top1_std").iter_rows()]
    return (
        firsts.with_columns(cell=pl.Series(texts))
        .pivot(column, index=index, values="cell", aggregate_function="first")
        .fill_null("–")
    )

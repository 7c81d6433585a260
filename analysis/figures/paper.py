"""The ViT paper's Figures 2, 3, 4, 5, 8, 9 and 13 from rows. Those of inspections are in `inspection.py`."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl

from analysis.compare import (
    fewshot_accuracies,
    frontier,
    paper_runs,
    shape_lines,
)
from analysis.figures import style
from analysis.figures.frontier import frontier_chart
from analysis.figures.task_panels import line_panel, lines_by_task, log_axis
from analysis.figures.vtab import vtab_chart
from analysis.rows import Rows, accuracies, spread_over, with_run_names

SHOWN = {"depth": "depth", "width": "width", "mlp_dim": "MLP width", "patch_size": "patch size", "all": "all"}
MOST = 16  # lines of a panel with a legend


def paper_charts(rows: Rows) -> dict[str, tuple[Any, str]]:
    """The figures that the rows are enough for: name -> (altair chart, caption)."""
    figures: dict[str, tuple[Callable[[Rows], Any], str]] = {
        "figure2": (vtab_chart, "VTAB-1k: the mean of its tasks and of its three groups (Figure 2)."),
        "figure3": (datasets_chart, "Accuracy after pre-training on each data set (Figure 3)."),
        "figure4": (samples_chart, "Few-shot accuracy by number of pre-training images (Figure 4)."),
        "figure5": (compute_chart, "Accuracy by compute (Figure 5)."),
        "figure8": (shapes_chart, "What each dimension of the Transformer is worth (Figure 8)."),
        "figure9": (progress_chart, "Few-shot accuracy during pre-training (Figure 9)."),
        "figure13": (axial_chart, "Axial models beside their counterparts (Figure 13)."),
    }
    drawn = {}
    for name, (draw, caption) in figures.items():
        with suppress(style.NothingToDrawError):
            drawn[name] = (draw(rows), caption)
    return drawn


def datasets_chart(rows: Rows) -> Any:
    """Accuracy by pre-training set in order of size: one line per ViT, the range of all ResNets in grey.

    Of several runs of one model on one set, the one with most compute counts. Raises NothingToDrawError when all models
    are pre-trained on one set.
    """
    facts = paper_runs(rows.pretrain).select("run_id", "model", "samples", "dataset")
    shown = accuracies(rows).filter("pretrained").join(facts, on="run_id").drop_nulls(["dataset", "samples"])
    largest = pl.col("samples").max().over("dataset")  # subsets are Figure 4's
    shown = shown.filter(pl.col("samples") > 0.9 * largest)
    if shown["dataset"].n_unique() < 2:
        raise style.NothingToDrawError("all models are pre-trained on one data set")
    shown = shown.sort("exaflops_valid", descending=True).unique(["model", "dataset", "task"], keep="first")
    order = shown.sort("samples")["dataset"].unique(maintain_order=True).to_list()
    shown = shown.with_columns(percent=pl.col("top1_mean") * 100, line="model").sort("samples", "model")
    resnets = pl.col("family") == "resnet"
    band = (
        shown.filter(resnets).group_by("task", "dataset").agg(low=pl.col("percent").min(), high=pl.col("percent").max())
    )
    others = shown.filter(~resnets)
    if others.is_empty():
        others, band = shown, band.clear()
    note = " Grey: the ResNets' range." if not band.is_empty() else ""
    x = alt.X("dataset:N", title="pre-training set, by size", sort=order).axis(labelAngle=0, grid=False)
    return lines_by_task(others, x, "What more pre-training data gives", f"Each line is one model.{note}", band)


def samples_chart(rows: Rows) -> Any:
    """Few-shot accuracy by number of pre-training images (log), of models trained on several subsets of one data set.

    Runs on about equally many images (within a tenth of a decade) are one point. Of several, the run counts whose
    number of images seen is nearest the median over all subsets: compute is then alike along the line.
    """
    seen = rows.pretrain.select("run_id", seen="images")
    shown = fewshot_accuracies(rows).drop_nulls(["samples", "dataset"]).join(seen, on="run_id")
    usual = (pl.col("seen") - pl.col("seen").median().over("model", "dataset")).abs()
    shown = shown.with_columns(size=(pl.col("samples").log10() * 10).round()).sort(usual, maintain_order=True)
    shown = shown.unique(["model", "dataset", "task", "size"], keep="first", maintain_order=True)
    shown = shown.filter(pl.col("size").n_unique().over("model", "dataset") > 1)
    if shown.is_empty():
        raise style.NothingToDrawError("no model is pre-trained on several subsets of one data set")
    shown = shown.with_columns(percent=pl.col("top1_mean") * 100, line="model").sort("family", "model", "samples")
    x = log_axis("samples", "pre-training images", shown["samples"])
    return lines_by_task(
        shown, x, "Few-shot accuracy by number of pre-training images", "Frozen features; each line is one model."
    )


def compute_chart(rows: Rows) -> Any:
    """Accuracy by compute with its frontier, as in the report."""
    return frontier_chart(frontier(accuracies(rows)))


def axial_chart(rows: Rows) -> Any:
    """Few-shot accuracy by compute, where there are axial models. The right of Figure 13, speed, is `costs_chart`.

    Raises NothingToDrawError without axial models.
    """
    if "axial" not in set(rows.pretrain["family"]):
        raise style.NothingToDrawError("no axial model")
    few = replace(rows, transfer=rows.transfer.clear(), trial=rows.trial.clear())
    return compute_chart(few)


def shapes_chart(rows: Rows) -> Any:
    """Few-shot accuracy by compute relative to the base shape, one line per dimension (§D.2).

    Raises NothingToDrawError unless at least two dimensions were varied.
    """
    shown = shape_lines(fewshot_accuracies(rows))
    if shown.is_empty():
        raise style.NothingToDrawError("no ViTs that differ from one base in a single dimension")
    shown = shown.with_columns(percent=pl.col("top1_mean") * 100, line=pl.col("line").replace(SHOWN))
    x = log_axis("relative", "compute, relative to the base", shown["relative"])
    return lines_by_task(
        shown, x, "Which dimension is worth its compute", "Few-shot accuracy; the lines meet at the base."
    )


def progress_chart(rows: Rows) -> Any:
    """Few-shot accuracy by images seen, one line per run, of runs that were evaluated so at two steps or more.

    Raises NothingToDrawError when there are none.
    """
    known = rows.curve.filter(pl.col("fewshot_top1").is_finite())
    known = known.filter(pl.col("step").n_unique().over("run_id") > 1)
    if known.is_empty():
        raise style.NothingToDrawError("no run was evaluated with few shots during its training")
    named = with_run_names(known, rows.pretrain)
    drawn = spread_over(named, "name", MOST)
    note = f" {MOST} of {named['run_id'].n_unique():,} runs." if drawn.height < named.height else ""
    shown = drawn.sort("run_id", "step").select("run_id", "images", percent=pl.col("fewshot_top1") * 100, line="name")
    lines = sorted(set(shown["line"]))
    x = alt.X("images:Q", title="images seen").axis(format="~s", tickCount=5, grid=False)
    title = style.titled("Few-shot accuracy during pre-training", f"Frozen features; each line is one run.{note}")
    return style.styled(line_panel(shown, x, lines, ""), title)

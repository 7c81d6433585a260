"""The results of a study as text cells: every model with its compute, size and accuracies."""

from typing import Any

import polars as pl

from analysis.names import family_name, flops_unit
from analysis.rows import (
    MEAN,
    Rows,
    accuracies,
    fewshot_means,
    merge_seeds,
    metric_means,
    models_by_run,
    tasks_of,
    with_display_name,
)
from analysis.tables.cells import percent
from analysis.tables.evaluations import heading, metric_cell


def results_table(rows: Rows, shots: int | None = None) -> pl.DataFrame:
    """One row per model, by family and compute: compute, parameters, what it was pre-trained on, and accuracies (%).

    `upstream` is the accuracy on the held-out share of that data. The others are means ± deviations over seeds, by
    task, then with few shots: `shots` per class, by default 5 as in §4.1, or else the most there are;
    then the headline numbers of evaluations.
    """
    scores = accuracies(rows)
    same = models_by_run(rows.pretrain, rows.transfer)
    upstream = rows.pretrain.select("run_id", "parameters", "dataset", pl.col("dev_top1").fill_nan(None))
    runs = merge_seeds(_all_runs(rows, scores), same).unique("run_id", keep="first", maintain_order=True)
    runs = runs.join(upstream, on="run_id", how="left")
    size, unit = flops_unit(runs["exaflops_valid"].drop_nulls())
    shown = with_display_name(runs).sort("family", "exaflops_valid", "label", "run_id")
    cells: dict[str, list[str]] = {
        "model": [row["label"] + ("" if row["pretrained"] else " from scratch") for row in shown.to_dicts()],
        "family": [family_name(family) for family in shown["family"]],
        f"pre-training ({unit})": [
            "–" if value is None else f"{value / size:,.4g}" for value in shown["exaflops_valid"]
        ],
        "parameters": [_count(value) for value in shown["parameters"]],
    }
    # published tables, and studies without a held-out share, do not know these
    if shown["dataset"].count():
        cells["pre-trained on"] = [name or "–" for name in shown["dataset"]]
    if shown["dev_top1"].count():
        cells["upstream (%)"] = [percent(value) for value in shown["dev_top1"]]
    for task in tasks_of(scores):
        by_run = {row["run_id"]: percent(row["top1_mean"], row["top1_std"]) for row in _of(scores, task)}
        cells[_heading(f"{task} (%)" if task != MEAN else "mean (%)", cells)] = [
            by_run.get(i, "–") for i in shown["run_id"]
        ]
    probed = merge_seeds(rows.fewshot, same)
    means = fewshot_means(
        probed.clear() if rows.transfer.is_empty() else probed
    )  # without fine-tunings they are the tasks already
    for dataset in means["dataset"].unique(maintain_order=True):
        part = means.filter(pl.col("dataset") == dataset)
        there = sorted(set(part["shots"]))
        taken = shots if shots is not None else (5 if 5 in there else there[-1])
        chosen = part.filter(pl.col("shots") == taken).to_dicts()
        by_run = {row["run_id"]: percent(row["top1_mean"], row["top1_std"]) for row in chosen}
        cells[_heading(f"{dataset} {taken}-shot (%)", cells)] = [by_run.get(i, "–") for i in shown["run_id"]]
    measured = metric_means(rows).filter("headline")
    for label in measured["label"].unique(maintain_order=True):
        numbers = measured.filter(label=label).to_dicts()
        by_run = {row["run_id"]: metric_cell(row) for row in numbers}
        cells[_heading(heading(numbers[0]), cells)] = [by_run.get(i, "–") for i in shown["run_id"]]
    return pl.DataFrame(cells)


def _all_runs(rows: Rows, scores: pl.DataFrame) -> pl.DataFrame:
    """Every pre-trained model, and every from-scratch baseline that has an accuracy, few-shot rows or evaluations."""
    columns = ["run_id", "name", "family", "pretrained", "epochs", "exaflops_valid"]
    trained = rows.pretrain.with_columns(pretrained=pl.lit(True), exaflops_valid=pl.col("train_flops_valid") / 1e18)
    evaluated = [frame.select("run_id", "name", "family") for frame in (rows.fewshot, rows.metric)]
    probed = pl.concat(evaluated).select(
        "run_id",
        "name",
        "family",
        pretrained=pl.col("run_id").is_in(rows.pretrain["run_id"].implode()),
        epochs=pl.lit(None, pl.Float64),
        exaflops_valid=pl.lit(None, pl.Float64),
    )
    parts = [frame.select(columns) for frame in (trained, scores, probed)]
    return pl.concat(parts).unique("run_id", keep="first", maintain_order=True)


def _heading(text: str, taken: dict[str, list[str]]) -> str:
    """The heading, with primes if a column has it already: a task may be called 'model'."""
    return text if text not in taken else _heading(text + "'", taken)


def _of(scores: pl.DataFrame, task: str) -> list[dict[str, Any]]:
    return scores.filter(pl.col("task") == task).to_dicts()


def _count(value: int | None) -> str:
    if value is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return str(value)

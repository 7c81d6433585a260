"""The figures of a study's page, those that its rows are enough for: name -> (altair chart, caption)."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import polars as pl

from analysis.accounting import core_time_by_kind
from analysis.figures import (
    NothingToDrawError,
    core_days_chart,
    curves_chart,
    evaluations_chart,
    fewshot_chart,
    frontier_chart,
    inspection_charts,
    laws_chart,
    load_inspections,
    pretraining_chart,
    response_chart,
)
from analysis.report.view import View
from analysis.rows import merge_seeds, metric_means, models_by_run, with_run_names
from scaling.store import Storage

CAPTIONS = {
    "frontier": "Accuracy by pre-training compute: after fine-tuning, or with few shots if nothing was fine-tuned.",
    "pretraining": "Accuracy with pre-training and from scratch, by model.",
    "fewshot": "Accuracy of a linear classifier by training images per class.",
    "evaluations": "What the study's evaluations measured, by pre-training compute.",
    "curves": "Training loss by images seen, one line per run.",
    "core_days": "Core time used by kind of work, productive and not.",
    "sweeps": "Accuracy on the dev split by learning rate, one line per model; the chosen learning rates are marked.",
    "laws": "Error by pre-training compute, with the law of each family that has enough points.",
}


def report_charts(view: View) -> dict[str, tuple[Any, str]]:
    """The figures of `CAPTIONS` for which there are rows."""
    rows = view.rows
    probes = merge_seeds(rows.fewshot, models_by_run(rows.pretrain, rows.transfer))
    curve, fewshot = (with_run_names(frame, rows.pretrain) for frame in (rows.curve, probes))
    scratch = rows.transfer.filter(~pl.col("pretrained"))["run_id"].implode()
    # few-shot rows of a from-scratch baseline have its run_id, but no column that says so
    from_scratch = pl.when(pl.col("run_id").is_in(scratch)).then(pl.lit(" from scratch")).otherwise(pl.lit(""))
    fewshot = fewshot.with_columns(name=pl.col("name") + from_scratch)
    figures: dict[str, Callable[[], Any]] = {
        "frontier": lambda: frontier_chart(view.points),
        "pretraining": lambda: pretraining_chart(view.scores),
        "fewshot": lambda: fewshot_chart(fewshot),
        "evaluations": lambda: evaluations_chart(metric_means(rows)),
        "curves": lambda: curves_chart(curve),
        "core_days": lambda: core_days_chart(core_time_by_kind(rows.attempt)),
        "sweeps": lambda: response_chart(rows),
        "laws": lambda: laws_chart(view.laws),
    }
    drawn = {}
    for name, draw in figures.items():
        with suppress(NothingToDrawError):
            drawn[name] = (draw(), CAPTIONS[name])
    return drawn


def report_inspections(storage: Storage) -> dict[str, tuple[Any, str]]:
    """The figures of the storage's inspections, named `inspection_…`."""
    charts = inspection_charts(load_inspections(storage))
    return {f"inspection_{name}": chart for name, chart in charts.items()}

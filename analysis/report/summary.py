"""What a study shows, in a few plain sentences made of its rows."""

from itertools import pairwise

import polars as pl

from analysis.accounting import core_time_account, core_time_by_model
from analysis.names import core_unit, family_name
from analysis.rows import MEAN, Rows, pretraining_pairs, shown_task, tasks_of, with_display_name
from analysis.tables import percent


def summary_sentences(rows: Rows, accuracies: pl.DataFrame) -> list[str]:
    """Plain text: what ran, the best models, whether compute helps, what pre-training gains, and what it cost."""
    sentences = [_counts(rows), *_best(accuracies), *_rises(accuracies), *_gains(accuracies), *_costs(rows.attempt)]
    return [text for text in sentences if text]


def _counts(rows: Rows) -> str:
    baselines = rows.transfer.filter(~pl.col("pretrained"))["run_id"].n_unique()
    parts = [
        _several(rows.pretrain.height, "model was pre-trained", "models were pre-trained"),
        _several(baselines, "from-scratch baseline was trained", "from-scratch baselines were trained"),
        _several(rows.trial.height, "trial searched hyperparameters", "trials searched hyperparameters"),
        _several(
            rows.transfer.height,
            "final fine-tuning was measured on test data",
            "final fine-tunings were measured on test data",
        ),
        _several(rows.fewshot.height, "few-shot classifier was fitted", "few-shot classifiers were fitted"),
    ]
    return "; ".join(part for part in parts if part) + "."


def _several(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


def _best(accuracies: pl.DataFrame) -> list[str]:
    sentences = []
    for task in tasks_of(accuracies):
        part = (
            with_display_name(accuracies)
            .filter(pl.col("task") == task)
            .sort("top1_mean", "label", descending=[True, False])
        )
        row = part.row(0, named=True)
        where = "On average over the tasks" if task == MEAN else f"On {task}"
        start = "" if row["pretrained"] else " (from scratch)"
        sentences.append(f"{where}, {row['label']}{start} is best: {percent(row['top1_mean'], row['top1_std'])} %.")
    return sentences


def _rises(accuracies: pl.DataFrame) -> list[str]:
    """Whether accuracy rises with compute in each family, on the mean over tasks or on the only task."""
    if accuracies.is_empty():
        return []
    task = tasks_of(accuracies)[-1]
    known = accuracies.filter((pl.col("task") == task) & pl.col("pretrained") & (pl.col("exaflops_valid") > 0))
    return [
        _rise(family_name(str(family)), part.sort("exaflops_valid", "top1_mean"), shown_task(task))
        for (family,), part in known.group_by("family", maintain_order=True)
    ]


def _rise(family: str, points: pl.DataFrame, where: str) -> str:
    if points.height == 1:
        return f"{family}: one model only, so nothing can be said of more compute."
    values, compute = points["top1_mean"].to_list(), points["exaflops_valid"].to_list()
    if compute[-1] == compute[0]:
        return f"{family}: all models took the same compute."
    gain, times = (values[-1] - values[0]) * 100, compute[-1] / compute[0]
    shown = f"{times:,.0f}" if times >= 1000 else f"{times:.3g}"
    every = all(b > a for a, b in pairwise(values))
    how = (
        "rises at every step of"
        if every
        else "rises overall, not at every step, with"
        if gain > 0
        else "does not rise with"
    )
    return f"{family}: accuracy {how} compute ({gain:+.1f} points for {shown} times the compute; {where.lower()})."


def _gains(accuracies: pl.DataFrame) -> list[str]:
    gains = with_display_name(pretraining_pairs(accuracies).filter("pretrained"))
    if gains.is_empty():
        return []
    sentences = []
    for (label,), part in gains.group_by("label", maintain_order=True):
        by_task = dict(zip(part["task"], part["gain"], strict=True))
        gains_by_task = ", ".join(
            f"{_signed(by_task[task] * 100)} points on {'average' if task == MEAN else task}" for task in tasks_of(part)
        )
        sentences.append(f"Pre-training {label} against the same model from scratch: {gains_by_task}.")
    return sentences


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"  # never -0.0


def _costs(attempts: pl.DataFrame) -> list[str]:
    sentences = []
    for row in core_time_account(attempts).to_dicts():
        seconds, unit = core_unit(row["core_seconds"])
        productive = row["productive_share"]  # null where there are no clocks, as in the published rows
        share = "" if productive is None else f", {productive:.0%} of it productive training"
        mishaps = f"{row['failed']} failed, {row['killed']} killed or not ended"
        several = _several(row["attempts"], "attempt", "attempts")
        sentences.append(
            f"Device {row['device']}: {row['core_seconds'] / seconds:,.1f} {unit} in {several}{share}; {mishaps}."
        )
    if len(sentences) == 1:  # core time of different chips cannot be compared
        costly = core_time_by_model(attempts).sort("core_seconds", descending=True).row(0, named=True)
        sentences.append(f"The most expensive model was {costly['name']}.")
    return sentences

"""What a study shows, in a few plain sentences made of its rows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from analysis.accounting import core_time_account, core_time_by_model, mishaps_text
from analysis.compare import WITHIN, compared, is_known
from analysis.names import core_unit, family_name, figure
from analysis.rows import (
    MEAN,
    Rows,
    headline_task,
    models_by_run,
    pretraining_pairs,
    shown_task,
    tasks_of,
    with_display_name,
)
from analysis.tables import percent

TASKS = 6  # of more tasks, only their mean has a sentence
NAMED = 3  # data sets and equal models of a sentence
Row = dict[str, Any]


def summary_sentences(rows: Rows, accuracies: pl.DataFrame) -> list[str]:
    """Plain text: what ran, the best models, whether compute helps, what pre-training gains, and what it cost."""
    sentences = [_counts(rows), _upstream(rows), *_bests(accuracies), *_rises(accuracies), *_gains(accuracies)]
    return [text for text in (*sentences, *_costs(rows.attempt)) if text]


def models_trained(rows: Rows) -> int:
    """How many models were pre-trained: runs that differ in their seed alone are one."""
    same = models_by_run(rows.pretrain, rows.transfer)
    return rows.pretrain.select("run_id").join(same, on="run_id", how="left")["model"].n_unique()


def pretrained_on(rows: Rows) -> str:
    """The data sets of the pre-training: their names, or how many they are."""
    names = sorted(set(rows.pretrain["dataset"].drop_nulls()))
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} data sets"


def _counts(rows: Rows) -> str:
    runs, models, on = rows.pretrain.height, models_trained(rows), pretrained_on(rows)
    baselines = rows.transfer.filter(~pl.col("pretrained"))["run_id"].n_unique()
    several = f" in {runs:,} runs" if runs != models else ""
    trained = _several(models, "model was pre-trained", "models were pre-trained")
    fitted = _several(rows.fewshot.height, "few-shot classifier was fitted", "few-shot classifiers were fitted")
    parts = [
        trained and f"{trained}{several}{f' on {on}' if on else ''}",
        _several(baselines, "from-scratch baseline was trained", "from-scratch baselines were trained"),
        _several(rows.trial.height, "trial searched hyperparameters", "trials searched hyperparameters"),
        _several(
            rows.transfer.height,
            "final fine-tuning was measured on test data",
            "final fine-tunings were measured on test data",
        ),
        _several(rows.metric["evaluation_id"].n_unique(), "evaluation was made", "evaluations were made"),
        fitted and f"{fitted} by {_several(rows.fewshot['probe_id'].n_unique(), 'probe', 'probes')}",
    ]
    return "; ".join(part for part in parts if part) + "."


def _several(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


def _upstream(rows: Rows) -> str:
    """The accuracy that the models reached on the held-out share of what they were pre-trained on."""
    known = with_display_name(rows.pretrain.filter(pl.col("dev_top1").is_finite())).sort("dev_top1", "label")
    if known.is_empty():
        return ""
    ends = [
        f"{percent(row['dev_top1'])} % ({row['label']})"
        for row in (known.row(0, named=True), known.row(-1, named=True))
    ]
    told = ends[0] if known.height == 1 else " to ".join(ends)
    return f"Upstream, on the held-out share of what they were pre-trained on, accuracy is {told}."


def ranked(accuracies: pl.DataFrame, task: str, pretrained: bool) -> list[Row]:
    """The models of a task, pre-trained or from scratch, the most accurate first."""
    known = with_display_name(accuracies).filter(pl.col("top1_mean").is_finite(), task=task, pretrained=pretrained)
    return known.sort("top1_mean", "label", descending=[True, False]).to_dicts()


def best_of(rows: Sequence[Row]) -> list[Row]:
    """Of ranked rows, the first and those that equal it within the seeds' spread."""
    return [row for row in rows if compared(rows[0], row) == 0]


def _bests(accuracies: pl.DataFrame) -> list[str]:
    return [_best(accuracies, task) for task in told_tasks(accuracies)]


def told_tasks(accuracies: pl.DataFrame) -> list[str]:
    """The tasks that have a sentence of their own: all, or of many the one that stands for them."""
    tasks = tasks_of(accuracies)
    return tasks if len(tasks) <= TASKS else [headline_task(accuracies)]


def _best(accuracies: pl.DataFrame, task: str) -> str:
    """The best pre-trained model, and a from-scratch baseline that is no worse; without models, the best baseline."""
    where = "On average over the tasks" if task == MEAN else f"On {task}"
    trained, scratch = (ranked(accuracies, task, pretrained) for pretrained in (True, False))
    rows = trained or scratch
    if not rows:
        return ""
    start = "" if trained else " from scratch"
    of = " of the pre-trained models" if trained and scratch else ""
    best = best_of(rows)
    if len(rows) == 1:
        text = f"{where}, {rows[0]['label']}{start} reaches {_accuracy(rows[0])}"
    elif len(best) == 1:
        text = f"{where}, {rows[0]['label']}{start} is best{of}: {_accuracy(rows[0])}"
    else:
        listed = ", ".join(f"{row['label']} ({_accuracy(row)})" for row in best[:NAMED])
        more = f" and {len(best) - NAMED} more" if len(best) > NAMED else ""
        text = f"{where}, these are best{of}{start}, equal {WITHIN}: {listed}{more}"
    if trained and scratch and (against := compared(scratch[0], trained[0])) >= 0:
        how = "more than that" if against else f"equal to that {WITHIN}"
        text += f"; from scratch, {scratch[0]['label']} reaches {_accuracy(scratch[0])}, {how}"
    return text + "."


def _accuracy(row: Row) -> str:
    return f"{percent(row['top1_mean'], row['top1_std'])} %"


def _rises(accuracies: pl.DataFrame) -> list[str]:
    """Whether accuracy rises with compute in each family, on the mean over tasks or on the only task."""
    if accuracies.is_empty():
        return []
    task = headline_task(accuracies)
    known = accuracies.filter((pl.col("task") == task) & pl.col("pretrained") & (pl.col("exaflops_valid") > 0))
    known = known.filter(pl.col("top1_mean").is_finite())
    return [
        _rise(family_name(str(family)), part.sort("exaflops_valid", "top1_mean").to_dicts(), shown_task(task).lower())
        for (family,), part in known.group_by("family", maintain_order=True)
    ]


def _rise(family: str, points: list[Row], where: str) -> str:
    if len(points) == 1:
        return f"{family}: one model only, so nothing can be said of more compute."
    first, last = points[0], points[-1]
    if last["exaflops_valid"] == first["exaflops_valid"]:
        return f"{family}: all models took the same compute."
    steps = [compared(b, a) for a, b in pairwise(points) if b["exaflops_valid"] > a["exaflops_valid"]]
    overall, level = compared(last, first), steps.count(0)
    if all(step == 1 for step in steps):
        how = "rises at every step of compute"
    elif overall == 1:
        equal = f" ({level} of {len(steps)} steps {'is' if level == 1 else 'are'} {WITHIN})" if level else ""
        how = f"rises with compute, not at every step{equal}"
    else:
        how = f"is equal at least and most compute {WITHIN}" if overall == 0 else "falls with compute"
    gain, times = (last["top1_mean"] - first["top1_mean"]) * 100, last["exaflops_valid"] / first["exaflops_valid"]
    single = "" if any(is_known(row["top1_std"]) for row in points) else "; one seed each, whose spread is not known"
    return (
        f"{family}: accuracy {how}: {_signed(gain)} points for {figure(times, 3)} times the compute; {where}{single}."
    )


def _gains(accuracies: pl.DataFrame) -> list[str]:
    pairs = with_display_name(pretraining_pairs(accuracies))
    tasks = told_tasks(pairs)
    sentences = []
    for (label,), part in pairs.filter("pretrained").group_by("label", maintain_order=True):
        by_task = {row["task"]: row for row in part.to_dicts()}
        told = [_gain(by_task[task], pairs) for task in tasks if task in by_task]
        sentences.append(f"Pre-training {label} against the same model from scratch: {', '.join(told)}.")
    return sentences


def _gain(row: Row, pairs: pl.DataFrame) -> str:
    keys = {key: row[key] for key in ("name", "family", "task")}
    scratch = pairs.filter(~pl.col("pretrained"), **keys).row(0, named=True)
    baseline = {"top1_mean": row["top1_mean"] - row["gain"], "top1_std": scratch["top1_std"]}
    equal = "" if compared(row, baseline) else f" ({WITHIN})"
    where = "average" if row["task"] == MEAN else row["task"]
    return f"{_signed(row['gain'] * 100)} points on {where}{equal}"


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"  # never -0.0


def _costs(attempts: pl.DataFrame) -> list[str]:
    sentences = []
    account = core_time_account(attempts).to_dicts()
    for row in account:
        used, productive = _time(row["core_seconds"], row["device"]), row["productive_share"]
        # null where there are no clocks, as in the published rows
        share = "" if productive is None else f", {productive:.0%} of it productive training"
        missed = mishaps_text(attempts.filter(pl.col("device").eq_missing(row["device"])))
        ended = f"not finished: {missed}" if missed else "none failed or was cut off"
        several = _several(row["attempts"], "attempt", "attempts")
        sentences.append(f"Device {row['device'] or 'unknown'}: {used} in {several}{share}; {ended}.")
    if len(account) == 1:  # core time of different chips cannot be compared
        sentences.append(_costliest(attempts))
    return sentences


def _costliest(attempts: pl.DataFrame) -> str:
    """The model that took most time to train; all of its time where the rows have no clocks."""
    by_model = core_time_by_model(attempts)
    clocked = by_model["productive_share"].null_count() == 0
    time = pl.col("productive") + pl.col("repeated") if clocked else pl.col("core_seconds")
    times = by_model.with_columns(time=time).sort("time", "name", descending=[True, False])
    total = float(times["time"].sum())
    if times.height < 2 or not total > 0:
        return ""
    first = times.row(0, named=True)
    what = "training time, without start-up, waiting and evaluation," if clocked else "core time"
    spent = _time(first["time"], first["device"])
    return f"The most {what} went to {first['name']}: {spent}, {first['time'] / total:.0%} of all."


def _time(core_seconds: float, device: str | None) -> str:
    seconds, unit = core_unit(core_seconds, device)
    return f"{figure(core_seconds / seconds, 3)} {unit}"

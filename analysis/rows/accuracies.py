"""Rows of a storage as polars frames, and the accuracies that count.

Accuracies are fractions in [0, 1]; compute is that of the PRE-TRAINING, in exaFLOPs (1e18 FLOPs, 1 MAC = 2 FLOPs).
"""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import polars as pl

from analysis.rows import published
from scaling.store import Storage, best_trials, read_table

MEAN = "mean"  # the task of the rows that hold the mean over all tasks
EXA = 1e18
ACCURACY_COLUMNS = (
    *("run_id", "name", "family", "pretrained", "epochs", "exaflops", "exaflops_valid"),
    *("task", "base_lr", "seeds", "top1_mean", "top1_std"),
)


@dataclass(frozen=True)
class Rows:
    """All rows of a storage, one frame a table of `scaling.store.schemas.TABLES` (columns and units: there)."""

    pretrain: pl.DataFrame
    curve: pl.DataFrame
    trial: pl.DataFrame
    transfer: pl.DataFrame
    fewshot: pl.DataFrame
    attempt: pl.DataFrame


def open_rows(storage: str | Path | Storage) -> Storage:
    """The storage of that name; `published` and `published/table6` are the ViT paper's tables."""
    return published.published_storage(str(storage)) if published.is_published(storage) else Storage.of(storage)


def load_rows(storage: str | Path | Storage) -> Rows:
    """The rows of a storage. Raises ValueError, in one line, when it does not exist or holds no rows."""
    place = open_rows(storage)
    if place.local is not None and not place.local.is_dir():
        raise ValueError(f"storage {place.uri} does not exist")
    rows = Rows(**{field.name: read_table(place, field.name) for field in fields(Rows)})
    if all(getattr(rows, field.name).is_empty() for field in fields(Rows)):
        raise ValueError(f"storage {place.uri} holds no rows")
    return replace(rows, trial=_with_settings(rows.trial), transfer=_with_settings(rows.transfer))


def _with_settings(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of version 1 name no setting: the learning rate was all of it, and every trial ran to its end."""
    if not frame["setting_id"].null_count():
        return frame
    known = frame.with_columns(pl.coalesce("setting_id", pl.format("rate {}", "base_lr")).alias("setting_id"))
    return (
        known.with_columns(pl.coalesce("steps_done", "steps").alias("steps_done")) if "steps_done" in known else known
    )


def final_accuracies(rows: Rows) -> pl.DataFrame:
    """The final fine-tuning rows that count: those at the best setting on the dev split, of those that have finals.

    Finals of a (run_id, task_id) without trials count as they are; should they have several settings, the one with
    most seeds does, then the smallest rate: never the one with the best test accuracy. Task names that stand for
    several tasks in one storage (or are called 'mean') get the first digits of their id, so that none are mixed.
    """
    pair, usable = ["run_id", "task_id"], rows.transfer.with_columns(pl.col("test_top1").fill_nan(None))
    usable = usable.drop_nulls("test_top1")
    measured = rows.trial.join(usable, on=[*pair, "setting_id"], how="semi")
    best = best_trials(measured).select(*pair, chosen="setting_id")
    kept = usable.join(best, on=pair, how="left").filter(
        pl.col("chosen").is_null() | (pl.col("chosen") == pl.col("setting_id"))
    )
    settings = (
        kept.group_by(*pair, "setting_id", "base_lr")
        .agg(count=pl.len())
        .sort("count", "base_lr", descending=[True, False])
        .unique(pair, keep="first", maintain_order=True)
    )
    kept = kept.join(settings, on=[*pair, "setting_id"], how="semi").drop("chosen")
    ambiguous = (pl.col("task_id").n_unique().over("task") > 1) | (pl.col("task") == MEAN)
    label = pl.format("{}#{}", "task", pl.col("task_id").str.head(4))
    return kept.with_columns(task=pl.when(ambiguous).then(label).otherwise("task"))


def probe_accuracies(rows: Rows) -> pl.DataFrame:
    """Few-shot rows as accuracies of tasks named '<data set> <shots>-shot': of 5 shots (§4.1), or else of the most."""
    most = pl.col("shots").max().over("dataset")
    shots = pl.when((pl.col("shots") == 5).any().over("dataset")).then(5).otherwise(most)
    return rows.fewshot.filter(pl.col("shots") == shots).with_columns(
        task=pl.format("{} {}-shot", "dataset", "shots"),
        base_lr=pl.lit(None, pl.Float64),
        pretrained=pl.col("run_id").is_in(rows.pretrain["run_id"].implode()),
    )


def best_on_curves(curve: pl.LazyFrame) -> pl.LazyFrame:
    """The best `dev_top1` of each `run_id` on its curve. Rows of a run that stand together, as they do in files, are
    taken together first, as groups that polars knows to be in order: half the time of grouping all."""
    placed = curve.select("run_id", "dev_top1", _place=pl.col("run_id").rle_id().set_sorted())
    parts = placed.group_by("_place").agg(pl.col("run_id").first(), pl.col("dev_top1").max())
    return parts.group_by("run_id").agg(pl.col("dev_top1").max())


def accuracies(rows: Rows) -> pl.DataFrame:
    """One row a (run_id, task): mean and standard deviation of the test accuracy over seeds (ddof 1, null with one).

    Runs that differ only in their seed are one model under the first one's id. A storage without fine-tunings is
    judged by its few-shot evaluations (`probes`), as the paper's ablations are.

    `exaflops` counts every tap of padded convolutions, `exaflops_valid` those inside the image (Table 6's convention);
    both are those of the pre-training: 0 for a control from scratch, null when the run's own row is missing. Runs that
    have all tasks get a row more, task 'mean': the mean over tasks, its deviation over seeds that all tasks share.
    """
    counted = probe_accuracies(rows) if rows.transfer.is_empty() else final_accuracies(rows)
    kept = merge_seeds(counted.with_columns(replica="run_id"), models_by_run(rows.pretrain, rows.transfer))
    run = ["run_id", "name", "family", "pretrained"]
    by_task = kept.group_by(*run, "task").agg(
        base_lr=pl.col("base_lr").first(),
        seeds=pl.len(),
        top1_mean=pl.col("test_top1").mean(),
        top1_std=pl.col("test_top1").std(ddof=1),
    )
    joined = pl.concat([by_task, _means(kept, by_task, run).select(by_task.columns)])
    upstream = rows.pretrain.select(
        "run_id",
        "epochs",
        exaflops=pl.col("train_flops").fill_nan(None) / EXA,
        exaflops_valid=pl.col("train_flops_valid").fill_nan(None) / EXA,
    )
    compute = [pl.when("pretrained").then(name).otherwise(0.0).alias(name) for name in ("exaflops", "exaflops_valid")]
    return (
        joined.join(upstream, on="run_id", how="left")
        .with_columns(compute)
        .select(ACCURACY_COLUMNS)
        .sort(pl.col("task") == MEAN, "task", "family", "exaflops_valid", "name", "run_id")
    )


def _means(kept: pl.DataFrame, by_task: pl.DataFrame, run: list[str]) -> pl.DataFrame:
    """The rows of task 'mean', for the runs that have every task of the storage."""
    tasks = by_task["task"].n_unique()
    means = (
        by_task.group_by(run).agg(pl.len().alias("tasks"), pl.col("top1_mean").mean()).filter(pl.col("tasks") == tasks)
    )
    per_seed = kept.group_by("run_id", "replica", "seed").agg(pl.len().alias("tasks"), pl.col("test_top1").mean())
    spread = (
        per_seed.filter(pl.col("tasks") == tasks)
        .group_by("run_id")
        .agg(seeds=pl.len(), top1_std=pl.col("test_top1").std(ddof=1))
    )
    return means.join(spread, on="run_id", how="left").with_columns(
        pl.col("seeds").fill_null(0), task=pl.lit(MEAN), base_lr=pl.lit(None, pl.Float64)
    )


def tasks_of(frame: pl.DataFrame) -> list[str]:
    """The tasks of an accuracy frame in order, the mean last; without the mean when there is one task only."""
    names = sorted(set(frame["task"]) - {MEAN})
    return [*names, MEAN] if len(names) > 1 and MEAN in frame["task"] else names


def with_display_name(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`: the model's name, with its epochs where the frame has one name at several lengths."""
    several = pl.col("epochs").drop_nulls().n_unique().over("name") > 1
    with_epochs = pl.format("{} ({} ep)", "name", pl.col("epochs").map_elements("{:g}".format, return_dtype=pl.String))
    return frame.with_columns(
        label=pl.when(several & pl.col("epochs").is_not_null()).then(with_epochs).otherwise("name")
    )


def with_run_names(frame: pl.DataFrame, pretrain: pl.DataFrame) -> pl.DataFrame:
    """The frame with its `name` replaced by the label of `labels`, for tables that do not hold the epochs."""
    named = with_display_name(pretrain).select("run_id", "label")
    return (
        frame.join(named, on="run_id", how="left", maintain_order="left")
        .with_columns(name=pl.coalesce("label", "name"))
        .drop("label")
    )


def models_by_run(pretrain: pl.DataFrame, transfer: pl.DataFrame) -> pl.DataFrame:
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


def merge_seeds(frame: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """The frame with the run_id of each model's first run in place of its replicas'."""
    joined = frame.join(models, on="run_id", how="left", maintain_order="left")
    return joined.with_columns(run_id=pl.coalesce("model", "run_id")).drop("model")


def _seedless(spec: str) -> str:
    value = json.loads(spec)
    value.pop("seed", None)
    return json.dumps(value, sort_keys=True)


def fewshot_means(fewshot: pl.DataFrame) -> pl.DataFrame:
    """Few-shot rows -> mean and standard deviation over seeds by run, data set and shots (fractions).

    A data set evaluated at several strengths of the ridge regression stands once for each, the strength in its name.
    """
    several = pl.col("l2").n_unique().over("dataset") > 1
    label = pl.when(several).then(pl.format("{} (ridge {})", "dataset", "l2")).otherwise("dataset")
    known = fewshot.with_columns(pl.col("test_top1").fill_nan(None), dataset=label).drop_nulls("test_top1")
    keys = ["run_id", "name", "family", "dataset", "shots"]
    means = known.group_by(keys).agg(
        seeds=pl.len(), top1_mean=pl.col("test_top1").mean(), top1_std=pl.col("test_top1").std(ddof=1)
    )
    return means.sort("dataset", "family", "name", "run_id", "shots")


def shown_task(task: str) -> str:
    """How a task is written over a panel."""
    return "Mean over tasks" if task == MEAN else task


def pretraining_pairs(accuracies: pl.DataFrame) -> pl.DataFrame:
    """Pre-trained rows of models that have a control from scratch (the same name and family), and those controls.

    Columns as `accuracies`, and `gain`: fraction over the mean of the controls, null for the controls.
    """
    controls = accuracies.filter(~pl.col("pretrained"))
    keys = ["name", "family", "task"]
    means = controls.group_by(keys).agg(_control=pl.col("top1_mean").mean())
    trained = accuracies.filter("pretrained").join(means, on=keys, how="inner", maintain_order="left")
    trained = trained.with_columns(gain=pl.col("top1_mean") - pl.col("_control")).drop("_control")
    paired = controls.join(trained, on=keys, how="semi", maintain_order="left")
    return pl.concat([trained, paired.with_columns(gain=pl.lit(None, pl.Float64))])

"""The accuracies that count, made of a storage's rows.

Accuracies are fractions in [0, 1]; compute is that of the PRE-TRAINING, in exaFLOPs (1e18 FLOPs, 1 MAC = 2 FLOPs).
"""

import polars as pl

from analysis.rows.load import Rows
from analysis.rows.models import merge_seeds, models_by_run
from scaling.store import best_trials

MEAN = "mean"  # the task of the rows that hold the mean over all tasks
EXA = 1e18
ACCURACY_COLUMNS = (
    *("run_id", "name", "family", "pretrained", "epochs", "exaflops", "exaflops_valid"),
    *("task", "base_lr", "seeds", "top1_mean", "top1_std"),
)


def final_accuracies(rows: Rows) -> pl.DataFrame:
    """The final fine-tunings that count: of each run and task, those at the setting that is best on the dev split.

    Only settings that have final runs are candidates. Where a (run_id, task_id) has no trials, its finals count as they
    are; if these have several settings, the setting with most seeds counts, then the one with the smallest learning
    rate, but never the one with the best test accuracy. A task name that stands for several tasks in one storage, or
    is 'mean', is followed by the first digits of its id, so that no two tasks are mixed.
    """
    pair, usable = ["run_id", "task_id"], rows.transfer.with_columns(pl.col("test_top1").fill_nan(None))
    usable = usable.drop_nulls("test_top1")
    # a study that was stopped may have chosen a setting whose finals are still to be run
    measured = rows.trial.join(usable, on=[*pair, "setting_id"], how="semi")
    best = best_trials(measured).select(*pair, chosen="setting_id")
    kept = usable.join(best, on=pair, how="left").filter(
        pl.col("chosen").is_null() | (pl.col("chosen") == pl.col("setting_id"))
    )
    # a fixed order in which test accuracies have no part
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
    """Few-shot rows as accuracies on tasks called '<data set> <shots>-shot'.

    Of each data set the rows of 5 shots (§4.1) count, or of the most shots where there are none of 5.
    """
    most = pl.col("shots").max().over("dataset")
    shots = pl.when((pl.col("shots") == 5).any().over("dataset")).then(5).otherwise(most)
    return rows.fewshot.filter(pl.col("shots") == shots).with_columns(
        task=pl.format("{} {}-shot", "dataset", "shots"),
        base_lr=pl.lit(None, pl.Float64),
        pretrained=pl.col("run_id").is_in(rows.pretrain["run_id"].implode()),
    )


def accuracies(rows: Rows) -> pl.DataFrame:
    """One row per (run_id, task): mean and standard deviation of the test accuracy over seeds.

    The deviation has ddof 1 and is null with one seed. Runs that differ only in their seed are one model, under the
    first one's id. A storage without fine-tunings is judged by its few-shot probes, as the paper's ablations are.

    `exaflops` counts every tap of padded convolutions, `exaflops_valid` those inside the image (Table 6's convention).
    Both are those of the pre-training: 0 for a from-scratch baseline, null when the run's own row is missing.

    A run that has every task of the storage gets one more row, of task 'mean': the mean over tasks, and its deviation
    over the seeds that all tasks share.
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
    # a from-scratch baseline has no row of pre-training, so its compute is set here
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
    # a seed is paired across tasks: the deviation is that of one seed's mean, and a seed that lacks a task has none
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
    """The tasks of an accuracy frame in order, the mean last; without the mean when there is only one task."""
    names = sorted(set(frame["task"]) - {MEAN})
    return [*names, MEAN] if len(names) > 1 and MEAN in frame["task"] else names


def headline_task(frame: pl.DataFrame) -> str:
    """The task that stands for all: their mean, or where no model has all tasks the one that most models have."""
    tasks = tasks_of(frame)
    if MEAN in tasks:
        return MEAN
    counts = {task: frame.filter(task=task).height for task in tasks}
    return max(tasks, key=lambda task: counts[task])


def shown_task(task: str) -> str:
    """A task as the title of a panel."""
    return "Mean over tasks" if task == MEAN else task


def pretraining_pairs(accuracies: pl.DataFrame) -> pl.DataFrame:
    """Models that were both pre-trained and trained from scratch: their pre-trained rows, then the baselines' rows.

    A from-scratch baseline belongs to the pre-trained models of its name and family. Columns as in `accuracies`, and
    `gain`: the accuracy less the mean of the baselines (a fraction), null for the baselines themselves.
    """
    baselines = accuracies.filter(~pl.col("pretrained"))
    keys = ["name", "family", "task"]
    means = baselines.group_by(keys).agg(_baseline=pl.col("top1_mean").mean())
    trained = accuracies.filter("pretrained").join(means, on=keys, how="inner", maintain_order="left")
    trained = trained.with_columns(gain=pl.col("top1_mean") - pl.col("_baseline")).drop("_baseline")
    paired = baselines.join(trained, on=keys, how="semi", maintain_order="left")
    return pl.concat([trained, paired.with_columns(gain=pl.lit(None, pl.Float64))])


def fewshot_means(fewshot: pl.DataFrame) -> pl.DataFrame:
    """Few-shot rows -> mean and standard deviation over seeds by run, data set and shots (fractions).

    A data set evaluated at several strengths of the ridge regression stands once for each, the strength in its name.
    """
    several = pl.col("l2").n_unique().over("dataset") > 1
    label = pl.when(several).then(pl.format("{} (ridge {})", "dataset", "l2")).otherwise("dataset")
    known = fewshot.with_columns(pl.col("test_top1").fill_nan(None), dataset=pl.coalesce(label, "dataset")).drop_nulls(
        "test_top1"
    )
    keys = ["run_id", "name", "family", "dataset", "shots"]
    means = known.group_by(keys).agg(
        seeds=pl.len(), top1_mean=pl.col("test_top1").mean(), top1_std=pl.col("test_top1").std(ddof=1)
    )
    return means.sort("dataset", "family", "name", "run_id", "shots")


def best_on_curves(curve: pl.LazyFrame) -> pl.LazyFrame:
    """The best `dev_top1` of each `run_id` on its curve."""
    # A run's rows stand together in files. Grouping such stretches first, by a key that polars knows to be sorted,
    # takes half the time of grouping all rows by the run's id.
    placed = curve.select("run_id", "dev_top1", _place=pl.col("run_id").rle_id().set_sorted())
    stretches = placed.group_by("_place").agg(pl.col("run_id").first(), pl.col("dev_top1").max())
    return stretches.group_by("run_id").agg(pl.col("dev_top1").max())

"""The hyperparameter searches of a study: what was tried, which setting was chosen, and the final runs at it.

Choices are made on the dev split (`scaling.store.best_trials`), never by the test accuracies beside them.
"""

from typing import Any

import polars as pl

from analysis.rows import Rows, final_accuracies, with_pretraining
from scaling.store import best_trials

PAIR = ["run_id", "task_id"]  # what a sweep chooses one setting for
PARAMETERS = ("base_lr", "weight_decay", "dropout", "label_smoothing", "steps", "batch_size", "resolution")


def sweeps_of(rows: Rows) -> pl.DataFrame:
    """One row per (run, task) with trials: which setting was chosen, out of what, and the final runs at it.

    Tried: `trials`, `settings`, `rates` (how many learning rates), `lowest_lr`, `highest_lr`.
    Chosen: `base_lr`, `dev_top1`, `dev_loss`; `edge` is 'lowest' or 'highest' when its learning rate ends the grid.
    Runner-up: `next_lr`, `next_dev_top1`, the best trial at another learning rate, null without one.
    Finals: `seeds`, `top1` (a list, by seed), `top1_mean`, `top1_std`. Accuracies are fractions.
    """
    # NaN is above every number in polars' order: a trial of NaN would be the best
    trials = rows.trial.with_columns(pl.col("dev_top1", "dev_loss").fill_nan(None))
    if trials.is_empty():
        return _empty(trials)
    best = best_trials(trials)
    tried = trials.group_by(PAIR).agg(
        trials=pl.len(),
        settings=pl.col("setting_id").n_unique(),
        rates=pl.col("base_lr").n_unique(),
        lowest_lr=pl.col("base_lr").min(),
        highest_lr=pl.col("base_lr").max(),
    )
    # the runner-up is at another learning rate: other trials at the same one say nothing about the grid
    others = trials.join(best.select(*PAIR, _chosen="base_lr"), on=PAIR).filter(pl.col("base_lr") != pl.col("_chosen"))
    second = best_trials(others).select(*PAIR, next_lr="base_lr", next_dev_top1="dev_top1")
    about = best.select(*PAIR, "name", "family", "pretrained", "task", "setting_id", "base_lr", "dev_top1", "dev_loss")
    joined = about.join(tried, on=PAIR).join(second, on=PAIR, how="left").join(_finals(rows), on=PAIR, how="left")
    several = pl.col("rates") > 1
    edge = (
        pl.when(several & (pl.col("base_lr") == pl.col("lowest_lr")))
        .then(pl.lit("lowest"))
        .when(several & (pl.col("base_lr") == pl.col("highest_lr")))
        .then(pl.lit("highest"))
        .otherwise(pl.lit(""))
    )
    named = with_pretraining(joined.with_columns(edge=edge), rows.pretrain)
    return named.sort("task", "family", "exaflops_valid", "label", "run_id")


def _finals(rows: Rows) -> pl.DataFrame:
    by_seed = final_accuracies(rows).sort("seed")
    return by_seed.group_by(PAIR).agg(
        seeds=pl.len(),
        top1=pl.col("test_top1"),
        top1_mean=pl.col("test_top1").mean(),
        top1_std=pl.col("test_top1").std(ddof=1),
    )


def best_at_learning_rates(rows: Rows) -> pl.DataFrame:
    """The best `dev_top1` (a fraction) of each run and task at each learning rate, where two or more were tried.

    `chosen` marks the learning rate that the sweep chose; `label` and `exaflops_valid` as in `sweeps_of`.
    """
    known = rows.trial.with_columns(pl.col("dev_top1").fill_nan(None)).drop_nulls(["dev_top1", "base_lr"])
    best = known.group_by(*PAIR, "task", "name", "family", "pretrained", "base_lr").agg(pl.col("dev_top1").max())
    best = best.filter((pl.len().over(PAIR) > 1) & (pl.col("base_lr") > 0))
    chosen = best_trials(known).select(*PAIR, "base_lr", chosen=pl.lit(True))
    named = with_pretraining(best, rows.pretrain).join(chosen, on=[*PAIR, "base_lr"], how="left")
    return named.with_columns(pl.col("chosen").fill_null(False))


def _empty(trials: pl.DataFrame) -> pl.DataFrame:
    """`sweeps_of` without rows."""
    numbers = dict.fromkeys(("next_lr", "next_dev_top1", "top1_mean", "top1_std", "exaflops_valid"), pl.Float64)
    counts = dict.fromkeys(("trials", "settings", "rates", "seeds"), pl.UInt32)
    about = trials.select(*PAIR, "name", "family", "pretrained", "task", "setting_id", "base_lr", "dev_top1").clear()
    columns: dict[str, Any] = {"label": pl.String, "edge": pl.String, "top1": pl.List(pl.Float64), **numbers, **counts}
    return about.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())


def varied_parameters(trials: pl.DataFrame) -> list[str]:
    """The parameters in which the trials of some run and task differ, the learning rate first."""
    counts = trials.group_by(PAIR).agg(pl.col(PARAMETERS).n_unique())
    return [name for name in PARAMETERS if (counts[name] > 1).any()]

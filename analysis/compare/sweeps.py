"""The sweeps of a study: what was tried, which setting was chosen and why, and the spread over seeds.

Choices are made on the dev split (`scaling.store.best_trials`), never by the test accuracies beside them.
"""

from typing import Any

import polars as pl

from analysis.rows import Rows, final_accuracies, with_display_name
from scaling.store import best_trials

PAIR_KEYS = ["run_id", "task_id"]
PARAMETERS = ("base_lr", "weight_decay", "dropout", "label_smoothing", "steps", "batch_size", "resolution")
SEEDS = 5  # of a cell, one by one
FEWEST = 20  # trials that an importance can be told from


def sweeps_of(rows: Rows) -> pl.DataFrame:
    """One row a (run, task) with trials: what was chosen of how many, and the final runs at it.

    `trials`, `settings`, `lowest_lr`, `highest_lr`: what was tried; `base_lr`, `dev_top1`, `dev_loss`: the chosen one;
    `next_lr`, `next_dev_top1`: the best at another rate, null without one; `edge`: 'lowest' or 'highest' when the
    chosen rate ends the grid, else ''; `seeds`, `top1` (a list, by seed), `top1_mean`, `top1_std`: the finals.
    """
    trials = rows.trial.with_columns(pl.col("dev_top1", "dev_loss").fill_nan(None))
    if trials.is_empty():
        return _empty(trials)
    best = best_trials(trials)
    tried = trials.group_by(PAIR_KEYS).agg(
        trials=pl.len(),
        settings=pl.col("setting_id").n_unique(),
        rates=pl.col("base_lr").n_unique(),
        lowest_lr=pl.col("base_lr").min(),
        highest_lr=pl.col("base_lr").max(),
    )
    others = trials.join(best.select(*PAIR_KEYS, _chosen="base_lr"), on=PAIR_KEYS).filter(
        pl.col("base_lr") != pl.col("_chosen")
    )
    second = best_trials(others).select(*PAIR_KEYS, next_lr="base_lr", next_dev_top1="dev_top1")
    about = best.select(
        *PAIR_KEYS, "name", "family", "pretrained", "task", "setting_id", "base_lr", "dev_top1", "dev_loss"
    )
    joined = (
        about.join(tried, on=PAIR_KEYS)
        .join(second, on=PAIR_KEYS, how="left")
        .join(_finals(rows), on=PAIR_KEYS, how="left")
    )
    several = pl.col("rates") > 1
    edge = (
        pl.when(several & (pl.col("base_lr") == pl.col("lowest_lr")))
        .then(pl.lit("lowest"))
        .when(several & (pl.col("base_lr") == pl.col("highest_lr")))
        .then(pl.lit("highest"))
        .otherwise(pl.lit(""))
    )
    return with_names_of_pairs(joined.with_columns(edge=edge), rows).sort(
        "task", "family", "exaflops_valid", "label", "run_id"
    )


def _finals(rows: Rows) -> pl.DataFrame:
    by_seed = final_accuracies(rows).sort("seed")
    return by_seed.group_by(PAIR_KEYS).agg(
        seeds=pl.len(),
        top1=pl.col("test_top1"),
        top1_mean=pl.col("test_top1").mean(),
        top1_std=pl.col("test_top1").std(ddof=1),
    )


def with_names_of_pairs(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """Adds `label`, the model as figures name it, and its pre-training's `exaflops_valid` (0 from scratch)."""
    named = with_display_name(rows.pretrain).select(
        "run_id", "label", exaflops_valid=pl.col("train_flops_valid") / 1e18
    )
    scratch = pl.when("pretrained").then(pl.lit("")).otherwise(pl.lit(" from scratch"))
    return frame.join(named, on="run_id", how="left").with_columns(
        label=pl.coalesce("label", "name") + scratch, exaflops_valid=pl.col("exaflops_valid").fill_null(0.0)
    )


def _empty(trials: pl.DataFrame) -> pl.DataFrame:
    numbers = dict.fromkeys(("next_lr", "next_dev_top1", "top1_mean", "top1_std", "exaflops_valid"), pl.Float64)
    counts = dict.fromkeys(("trials", "settings", "rates", "seeds"), pl.UInt32)
    about = trials.select(
        *PAIR_KEYS, "name", "family", "pretrained", "task", "setting_id", "base_lr", "dev_top1"
    ).clear()
    made: dict[str, Any] = {"label": pl.String, "edge": pl.String, "top1": pl.List(pl.Float64), **numbers, **counts}
    return about.with_columns(pl.lit(None, kind).alias(name) for name, kind in made.items())


def varied_parameters(trials: pl.DataFrame) -> list[str]:
    """The parameters in which the trials of some pair differ, the rate first."""
    counts = trials.group_by(PAIR_KEYS).agg(pl.col(PARAMETERS).n_unique())
    return [name for name in PARAMETERS if (counts[name] > 1).any()]


def sweep_sentences(found: pl.DataFrame) -> list[str]:
    """How the choices went, in words: pairs, how clear, and whether grids were wide enough."""
    if found.is_empty():
        return []
    pairs, rates = found.height, sorted(set(found["base_lr"].drop_nulls()))
    said = [
        f"{found['trials'].sum():,} trials chose the setting of {pairs:,} pairs of a model and a task, each by its "
        f"accuracy on the dev split; {_rates(rates)}."
    ]
    ends = found.filter(pl.col("edge") != "")
    if ends.height:
        by_end = ends.group_by("edge").len().sort("edge", descending=True)
        told = " and ".join(f"{count:,} at the {end}" for end, count in by_end.iter_rows())
        said.append(f"In {ends.height:,} of {pairs:,} the chosen rate ends the grid ({told}): a wider grid could help.")
    else:
        said.append("No chosen rate ends its grid.")
    spread = found["top1_std"].drop_nulls()
    if len(spread):
        middle = spread.median()
        assert isinstance(middle, float)
        said.append(f"Over seeds the test accuracy varies by {middle * 100:.2f} points (median standard deviation).")
    return said


def sweeps_table(found: pl.DataFrame) -> pl.DataFrame:
    """`sweeps` as text cells: the chosen rate, by how much it leads on the dev split, and the test accuracies (%)."""
    rows = found.to_dicts()
    return pl.DataFrame(
        {
            "model": [row["label"] for row in rows],
            "task": [row["task"] for row in rows],
            "trials": [str(row["trials"]) for row in rows],
            "chosen rate": [f"{row['base_lr']:g}" for row in rows],
            "of the grid": [row["edge"] or "–" for row in rows],
            "dev (%)": [_percent(row["dev_top1"]) for row in rows],
            "lead on dev": [_lead(row) for row in rows],
            "test (%)": [_percent(row["top1_mean"], row["top1_std"]) for row in rows],
            "by seed": [_each(row["top1"] or []) for row in rows],
        }
    )


def _lead(row: dict[str, Any]) -> str:
    if row["dev_top1"] is None or row["next_dev_top1"] is None:
        return "the only rate" if row["rates"] == 1 else "–"
    ahead = (row["dev_top1"] - row["next_dev_top1"]) * 100
    return f"{ahead:+.2f} over {row['next_lr']:g}" + (" (by dev loss)" if ahead == 0 else "")


def _each(accuracies: list[float]) -> str:
    shown = " / ".join(f"{value * 100:.2f}" for value in accuracies[:SEEDS])
    return shown + (f" and {len(accuracies) - SEEDS} more" if len(accuracies) > SEEDS else "") or "–"


def _percent(mean: float | None, std: float | None = None) -> str:
    return "–" if mean is None else f"{mean * 100:.2f}" + ("" if std is None else f" ± {std * 100:.2f}")


# --- importance -----------------------------------------------------------------------------------------------------


def _rates(rates: list[float]) -> str:
    if len(rates) == 1:
        return f"the rate {rates[0]:g} was chosen every time"
    return f"the chosen rates go from {rates[0]:g} to {rates[-1]:g}" if rates else "no trial had a rate"


def importance(trials: pl.DataFrame) -> dict[str, float]:
    """Which parameters the dev accuracy depends on: shares that add up to 1, of the parameters that were varied.

    Permutation importance (Breiman 2001) of a random forest of the trials that ran to their end, on accuracy less the
    mean of its (run, task). Empty with fewer than two varied parameters, `FEWEST` trials, or a forest that explains
    nothing.
    """
    known = trials.filter(pl.col("dev_top1").is_finite() & (pl.col("steps_done") == pl.col("steps")))
    names = varied_parameters(known)
    if len(names) < 2 or known.height < FEWEST:
        return {}
    from sklearn.ensemble import RandomForestRegressor  # here: it takes a second to load
    from sklearn.inspection import permutation_importance

    gain = known.select(pl.col("dev_top1") - pl.col("dev_top1").mean().over(PAIR_KEYS))["dev_top1"].to_numpy()
    inputs = known.select(pl.col(names).fill_null(0)).to_numpy().astype(float)
    forest = RandomForestRegressor(100, min_samples_leaf=2, max_samples=min(known.height, 5000), random_state=0)
    found = permutation_importance(forest.fit(inputs, gain), inputs, gain, n_repeats=5, random_state=0)
    shares = found.importances_mean.clip(min=0)
    whole = float(shares.sum())
    return {name: float(share) / whole for name, share in zip(names, shares, strict=True)} if whole > 0 else {}


def importance_sentences(trials: pl.DataFrame) -> list[str]:
    """`importance` in words; nothing where there is none."""
    shares = sorted(importance(trials).items(), key=lambda item: -item[1])
    if not shares:
        return []
    told = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in shares)
    return [f"What the dev accuracy depends on (permutation importance in a random forest of the trials): {told}."]


# --- figure --------------------------------------------------------------------------------------------------------

"""Which hyperparameters the accuracy on the dev split depends on, judged by the trials of a study."""

import polars as pl

from analysis.compare.sweeps import PAIR, varied_parameters

FEWEST = 20  # trials, fewer tell nothing
NAMES = {"base_lr": "learning rate"}


def importance(trials: pl.DataFrame) -> dict[str, float]:
    """How much the dev accuracy depends on each varied parameter: shares that add up to 1.

    Permutation importance (Breiman 2001) in a random forest, fitted to the trials that ran to their end. Its target is
    the accuracy less the mean of its (run, task). Empty with fewer than two varied parameters, with fewer than
    `FEWEST` trials, and when the forest explains nothing.
    """
    known = trials.filter(pl.col("dev_top1").is_finite() & (pl.col("steps_done") == pl.col("steps")))
    names = varied_parameters(known)
    if len(names) < 2 or known.height < FEWEST:
        return {}
    from sklearn.ensemble import RandomForestRegressor  # here: scikit-learn takes a second to load
    from sklearn.inspection import permutation_importance

    # less the mean of the run and task, or the forest would explain which models are large and which tasks easy
    gain = known.select(pl.col("dev_top1") - pl.col("dev_top1").mean().over(PAIR))["dev_top1"].to_numpy()
    inputs = known.select(pl.col(names).fill_null(0)).to_numpy().astype(float)
    # a fixed random_state: the same rows give the same sentence
    forest = RandomForestRegressor(100, min_samples_leaf=2, max_samples=min(known.height, 5000), random_state=0)
    measured = permutation_importance(forest.fit(inputs, gain), inputs, gain, n_repeats=5, random_state=0)
    shares = measured.importances_mean.clip(min=0)
    total = float(shares.sum())
    return {name: float(share) / total for name, share in zip(names, shares, strict=True)} if total > 0 else {}


def importance_sentences(trials: pl.DataFrame) -> list[str]:
    """`importance` in words; an empty list where it is empty."""
    shares = sorted(importance(trials).items(), key=lambda item: -item[1])
    if not shares:
        return []
    listed = ", ".join(f"{NAMES.get(name, name.replace('_', ' '))} {share:.0%}" for name, share in shares)
    return [f"What the dev accuracy depends on (permutation importance in a random forest of the trials): {listed}."]

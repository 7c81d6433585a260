"""The hyperparameter searches of a study in words: sentences, and a table of text cells."""

from typing import Any

import polars as pl

SEEDS = 5  # that a cell lists one by one


def sweep_sentences(sweeps: pl.DataFrame) -> list[str]:
    """What the searches of `sweeps_of` chose, whether their grids were wide enough, and the spread over seeds."""
    if sweeps.is_empty():
        return []
    pairs, learning_rates = sweeps.height, sorted(set(sweeps["base_lr"].drop_nulls()))
    said = [
        f"{sweeps['trials'].sum():,} trials chose the setting of {pairs:,} pairs of a model and a task, each by its "
        f"accuracy on the dev split; {_range(learning_rates)}."
    ]
    ends = sweeps.filter(pl.col("edge") != "")
    if ends.height:
        by_end = ends.group_by("edge").len().sort("edge", descending=True)
        where = " and ".join(f"{count:,} at the {end}" for end, count in by_end.iter_rows())
        said.append(
            f"In {ends.height:,} of {pairs:,} the chosen learning rate ends the grid ({where}): "
            "a wider grid could help."
        )
    else:
        said.append("No chosen learning rate ends its grid.")
    spread = sweeps["top1_std"].drop_nulls()
    if len(spread):
        middle = spread.median()
        assert isinstance(middle, float)
        said.append(f"Over seeds the test accuracy varies by {middle * 100:.2f} points (median standard deviation).")
    return said


def sweeps_table(sweeps: pl.DataFrame) -> pl.DataFrame:
    """`sweeps_of` as text cells: the chosen learning rate, its lead on the dev split, and the test accuracies (%)."""
    rows = sweeps.to_dicts()
    return pl.DataFrame(
        {
            "model": [row["label"] for row in rows],
            "task": [row["task"] for row in rows],
            "trials": [str(row["trials"]) for row in rows],
            "learning rate": [f"{row['base_lr']:g}" for row in rows],
            "of the grid": [row["edge"] or "–" for row in rows],
            "dev (%)": [_percent(row["dev_top1"]) for row in rows],
            "lead on dev": [_lead(row) for row in rows],
            "test (%)": [_percent(row["top1_mean"], row["top1_std"]) for row in rows],
            "by seed": [_each(row["top1"] or []) for row in rows],
        }
    )


def _lead(row: dict[str, Any]) -> str:
    if row["dev_top1"] is None or row["next_dev_top1"] is None:
        return "the only one" if row["rates"] == 1 else "–"
    ahead = (row["dev_top1"] - row["next_dev_top1"]) * 100
    return f"{ahead:+.2f} over {row['next_lr']:g}" + (" (by dev loss)" if ahead == 0 else "")


def _each(accuracies: list[float]) -> str:
    shown = " / ".join(f"{value * 100:.2f}" for value in accuracies[:SEEDS])
    return shown + (f" and {len(accuracies) - SEEDS} more" if len(accuracies) > SEEDS else "") or "–"


def _percent(mean: float | None, std: float | None = None) -> str:
    return "–" if mean is None else f"{mean * 100:.2f}" + ("" if std is None else f" ± {std * 100:.2f}")


def _range(values: list[float]) -> str:
    if len(values) == 1:
        return f"the learning rate {values[0]:g} was chosen every time"
    return (
        f"the chosen learning rates go from {values[0]:g} to {values[-1]:g}"
        if values
        else "no trial had a learning rate"
    )

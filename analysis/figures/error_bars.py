"""What figures of accuracy have in common: percent, error bars over seeds, and the axis that holds them."""

from typing import Any

import polars as pl

from analysis.figures import style
from analysis.names import family_name
from analysis.rows import with_display_name


def with_error_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what figures show of accuracy rows: `percent`, the bar's ends `low` and `high`, `shown` (family) and `label`.

    A bar is one standard deviation over seeds on both sides, and has no length where a model has one seed.
    """
    shown = with_display_name(frame).with_columns(
        percent=pl.col("top1_mean") * 100,
        spread=pl.col("top1_std").fill_null(0.0) * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
    )
    return shown.with_columns(low=pl.col("percent") - pl.col("spread"), high=pl.col("percent") + pl.col("spread"))


def over_seeds(shown: pl.DataFrame) -> str:
    """What the bars of a figure are, with the number of seeds; '' where no model has several."""
    seeds = shown.filter(pl.col("top1_std").is_not_null())["seeds"].drop_nulls()
    if seeds.is_empty():
        return ""
    low, high = int(seeds.min()), int(seeds.max())  # type: ignore[arg-type]
    return f" Bars: ± one standard deviation over {low if low == high else f'{low} to {high}'} seeds."


def accuracy_sentence(row: dict[str, Any], where: str) -> str:
    """The tooltip of a point: its label and accuracy, and `where` it was measured."""
    deviation = "" if row["top1_std"] is None else f" ± {row['spread']:.2f}"
    return f"{row['label']}: {row['percent']:.2f}{deviation} % {where}"


def padded_extent(bars: pl.DataFrame, share: float) -> tuple[float, float]:
    """The range (%) of an axis that holds all error bars, with `share` of its length to spare at both ends."""
    low, high = style.extent(bars["low"])[0], style.extent(bars["high"])[1]
    margin = max((high - low) * share, 0.5)
    return low - margin, high + margin

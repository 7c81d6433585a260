"""Accuracy of a linear classifier on frozen features, by training images per class."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.end_labels import HEIGHT, end_labels
from analysis.figures.error_bars import over_seeds, padded_extent
from analysis.names import family_name
from analysis.rows import fewshot_means, thin_panels

WIDTH, ALONE, NAMES = 300, 560, 150  # px, of one of two panels, of a single one, and of the names beside it
APART = 0.16  # how far the models at one number of images are apart, as a logarithm


def fewshot_chart(fewshot: pl.DataFrame) -> Any:
    """Few-shot accuracy (%) by training images per class, mean over seeds: one line per run, one panel per data set.

    `fewshot` are rows of table fewshot. Raises NothingToDrawError when there are none.
    """
    means = fewshot_means(fewshot)
    if means.is_empty():
        raise style.NothingToDrawError("no few-shot rows to draw")
    scales = style.family_scales(means["family"])
    means, note_of_some = thin_panels(means, "dataset")
    parts = [part for _, part in means.group_by("dataset", maintain_order=True)]
    widths = [NAMES + ALONE] if len(parts) == 1 else style.panel_widths(len(parts), WIDTH + NAMES)
    panels = [_fewshot_panel(part, scales, width - NAMES) for part, width in zip(parts, widths, strict=True)]
    note = f"Linear classifier on frozen features, mean over seeds.{over_seeds(means)}{note_of_some}"
    title = style.titled("Few-shot accuracy of frozen features", note)
    return style.styled(style.in_rows(panels), title)


def _fewshot_panel(means: pl.DataFrame, scales: style.Scales, width: int) -> Any:
    # models side by side at the same number of images, so that their bars are told apart
    place = pl.col("run_id").rank("dense") - 1
    shift = (place / (place.max() + 1) - 0.5) * APART
    spread = pl.col("top1_std").fill_null(0.0) * 100
    shown = means.sort("run_id", "shots").with_columns(
        percent=pl.col("top1_mean") * 100,
        low=pl.col("top1_mean") * 100 - spread,
        high=pl.col("top1_mean") * 100 + spread,
        place=pl.col("shots") * shift.exp(),
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
        about=pl.format(
            "{}: {}{} % at {} per class",
            "name",
            (pl.col("top1_mean") * 100).round(2),
            pl.when(pl.col("top1_std").is_null()).then(pl.lit("")).otherwise(pl.format(" ± {}", spread.round(2))),
            "shots",
        ),
    )
    domain = list(padded_extent(shown["low", "high"], 0.05))
    ticks = sorted(set(shown["shots"]))
    shots = alt.X("place:Q", title="training images per class").scale(
        type="log", domain=[ticks[0] / 1.2, max(ticks[-1], 2) * 1.2], nice=False
    )
    accuracy = alt.Y("percent:Q", title="accuracy (%)").scale(domain=domain, nice=False, zero=False)
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    base = alt.Chart(style.data(shown.to_dicts())).encode(
        x=shots.axis(values=ticks, format="d", grid=False), y=accuracy, color=colour, detail="run_id:N"
    )
    points = base.mark_point(filled=True, size=48, opacity=1).encode(
        shape=alt.Shape("shown:N", title=None, scale=scales[1]), tooltip="about:N", description="about:N"
    )
    bars = base.mark_rule(strokeWidth=1.2, opacity=0.7, aria=False).encode(
        y=alt.Y("low:Q").title("accuracy (%)"), y2="high:Q"
    )
    last = shown.group_by("run_id", "name", "family", maintain_order=True).last()
    names = end_labels(last, "place", "percent", domain)
    drawn = base.mark_line(strokeWidth=1.6, opacity=0.8, aria=False) + bars + points + names
    return drawn.properties(width=width, height=HEIGHT, title=style.panel_title(shown["dataset"][0]))

"""Accuracy of a linear classifier on frozen features, by training images per class."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.end_labels import HEIGHT, end_labels
from analysis.names import family_name
from analysis.rows import fewshot_means, thin_panels


def fewshot_chart(fewshot: pl.DataFrame) -> Any:
    """Few-shot accuracy (%) by training images per class, mean over seeds: one line per run, one panel per data set.

    `fewshot` are rows of table fewshot. Raises NothingToDrawError when there are none.
    """
    means = fewshot_means(fewshot)
    if means.is_empty():
        raise style.NothingToDrawError("no few-shot rows to draw")
    scales = style.family_scales(means["family"])
    means, note_of_some = thin_panels(means, "dataset")
    panels = [_fewshot_panel(part, scales) for _, part in means.group_by("dataset", maintain_order=True)]
    note = f"Linear classifier on frozen features, mean over seeds.{note_of_some}"
    title = style.titled("Few-shot accuracy of frozen features", note)
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _fewshot_panel(means: pl.DataFrame, scales: style.Scales) -> Any:
    shown = means.with_columns(
        percent=pl.col("top1_mean") * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
        about=pl.format("{}: {} % at {} per class", "name", (pl.col("top1_mean") * 100).round(2), "shots"),
    )
    low, high = style.extent(shown["percent"])
    domain = [low - max(0.05 * (high - low), 0.5), high + max(0.05 * (high - low), 0.5)]
    ticks = sorted(set(shown["shots"]))
    shots = alt.X("shots:Q", title="training images per class").scale(
        type="log", domain=[ticks[0], max(ticks[-1], 2)], nice=False
    )
    accuracy = alt.Y("percent:Q", title="accuracy (%)").scale(domain=domain, nice=False, zero=False)
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    base = alt.Chart(style.data(shown.to_dicts())).encode(
        x=shots.axis(values=ticks, format="d", grid=False), y=accuracy, color=colour, detail="run_id:N"
    )
    points = base.mark_point(filled=True, size=48, opacity=1).encode(
        shape=alt.Shape("shown:N", title=None, scale=scales[1]), tooltip="about:N", description="about:N"
    )
    last = shown.group_by("run_id", "name", "family", maintain_order=True).last()
    names = end_labels(last, "shots", "percent", domain)
    drawn = base.mark_line(strokeWidth=1.6, opacity=0.8, aria=False) + points + names
    return drawn.properties(width=270, height=HEIGHT, title=style.panel_title(shown["dataset"][0]))

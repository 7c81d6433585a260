"""Measured speed and largest batch by input size: the ViT paper's Figure 12.

Speeds are per core, so that devices can be compared: a CPU thread, a GPU, half of a TPU v3 chip.
"""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures.end_labels import HEIGHT, end_labels
from analysis.figures.style import (
    NothingToDrawError,
    Scales,
    data,
    extent,
    family_scales,
    log_ticks,
    panel_title,
    styled,
    titled,
)
from analysis.names import family_name

PANELS = {  # column: (title of the panel, title of its y axis)
    "per_core": ("Inference at the best batch", "images per second per core"),
    "largest_batch": ("Largest batch of inference", "images"),
}
PLAIN = "format(datum.value, datum.value < 1 ? '~g' : '~s')"  # a label 0.3 instead of 300m
GIB = 2**30


def costs_chart(rows: pl.DataFrame) -> Any:
    """Two panels per device and precision, both axes logarithmic, one line per model.

    `rows` are `newest_measurements`'. Raises NothingToDrawError when there are none.
    """
    if rows.is_empty():
        raise NothingToDrawError("no measured costs to draw")
    scales = family_scales(rows["family"])
    parts = [part for _, part in rows.group_by("device", "precision", maintain_order=True)]
    panels = [
        _panel(part.drop_nulls(column), column, len(parts) > 1, scales)
        for part in parts
        for column in PANELS
        if part[column].drop_nulls().len()
    ]
    where = ", ".join(
        f"{part['device'][0]} in {part['precision'][0]}, with {part['memory_limit'][-1] / GIB:.3g} GiB"
        for part in parts
    )
    title = titled("Speed and memory by the size of images", f"Measured on {where}.")
    return styled(alt.concat(*panels, columns=2, spacing=28), title)


def _panel(rows: pl.DataFrame, column: str, several: bool, scales: Scales) -> Any:
    title, unit = PANELS[column]
    shown = rows.with_columns(
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
        about=pl.format("{} at {} pixels: {} {}", "name", "resolution", pl.col(column).round_sig_figs(4), pl.lit(unit)),
    )
    low, high = extent(shown[column])
    domain = [low / 1.5, high * 1.5]
    sizes = sorted(set(shown["resolution"]))
    ticks = _spaced(sizes)
    # JSON has no dates
    base = alt.Chart(data(shown.drop("measured_at").to_dicts())).encode(
        x=alt.X("resolution:Q", title="resolution (pixels)")
        .scale(type="log", domain=[sizes[0], max(sizes[-1], sizes[0] + 1)], nice=False)
        .axis(values=ticks, format="d", grid=False, labelFlush=False),
        y=alt.Y(f"{column}:Q", title=unit)
        .scale(type="log", domain=domain, nice=False)
        .axis(values=log_ticks(*domain), labelExpr=PLAIN),
        color=alt.Color("shown:N", title=None, scale=scales[0]),
        detail="name:N",
    )
    points = base.mark_point(filled=True, size=48, opacity=1).encode(
        shape=alt.Shape("shown:N", title=None, scale=scales[1]), tooltip="about:N", description="about:N"
    )
    last = shown.group_by("name", "spec", "family", maintain_order=True).last()
    names = end_labels(last, "resolution", column, domain, log=True)
    device = f"{rows['device'][0]} in {rows['precision'][0]}" if several else ""
    drawn = base.mark_line(strokeWidth=1.6, opacity=0.8, aria=False) + points + names
    return drawn.properties(width=220, height=HEIGHT, title=panel_title(title, device))


def _spaced(sizes: list[int]) -> list[int]:
    """The sizes whose labels do not overlap on a logarithmic axis: of several within 15 %, the first."""
    kept: list[int] = []
    for size in sizes:
        if not kept or size > 1.15 * kept[-1]:
            kept.append(size)
    return kept

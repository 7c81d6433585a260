"""Measured costs (rows of table measure): images a second and the largest batch by size, as the ViT paper's Figure 12.

Speeds are those of a core, so that devices compare: a CPU thread, a GPU, half of a TPU v3 chip.
"""

from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from analysis import style
from analysis.lines import HEIGHT, end_labels
from scaling.frames import read
from scaling.storage import Storage

GIB = 2**30
COLUMNS = {  # of a panel: (what is over it, what is at its axis)
    "per_core": ("Inference at the best batch", "images a second and core"),
    "largest_batch": ("Largest batch of inference", "images"),
}
PLAIN = "format(datum.value, datum.value < 1 ? '~g' : '~s')"  # 0.3 instead of 300m


def newest(storage: str | Path | Storage) -> pl.DataFrame:
    """The newest measurement of each model, resolution, device and precision, with `per_core`: images/s and core.

    Raises ValueError when there is none.
    """
    place = Storage.of(storage)
    rows = read(place, "measure")
    if rows.is_empty():
        raise ValueError(
            f"storage {place.uri} holds no measured costs: python -m scaling.measure MODEL... --storage {place.uri}"
        )
    keys = ["device", "precision", "family", "name", "spec", "resolution"]
    last = rows.sort("measured_at").unique(keys, keep="last").sort("device", "precision", "family", "name", "spec")
    return last.with_columns(
        per_core=pl.col("images_per_second") / pl.col("cores"),
        trained_per_core=pl.col("train_images_per_second") / pl.col("cores"),
    ).sort("device", "precision", "family", "name", "resolution", maintain_order=True)


def table(rows: pl.DataFrame) -> pl.DataFrame:
    """What people read of `newest`: speeds are images/s and core, `MFU` a fraction of the rate of matrix products."""
    return rows.select(
        "device",
        "precision",
        model="name",
        pixels="resolution",
        inference=pl.col("per_core").round_sig_figs(4),
        batch="batch",
        largest_batch="largest_batch",
        training=pl.col("trained_per_core").round_sig_figs(4),
        compiled="compiled",
        MFU=pl.col("mfu").round(3),
        input=pl.col("input_images_per_second").round_sig_figs(4),
    )


def costs_chart(rows: pl.DataFrame) -> Any:
    """`newest`'s rows as two panels a device and precision, both axes logarithmic, one line a model.

    Raises `style.NothingToDrawError` when there are no rows.
    """
    if rows.is_empty():
        raise style.NothingToDrawError("no measured costs to draw")
    scales = style.family_scales(rows["family"])
    parts = [part for _, part in rows.group_by("device", "precision", maintain_order=True)]
    panels = [
        _panel(part.drop_nulls(column), column, len(parts) > 1, scales)
        for part in parts
        for column in COLUMNS
        if part[column].drop_nulls().len()
    ]
    where = ", ".join(
        f"{part['device'][0]} in {part['precision'][0]}, with {part['memory_limit'][-1] / GIB:.3g} GiB"
        for part in parts
    )
    title = style.titled("Speed and memory by the size of images", f"Measured on {where}.")
    return style.styled(alt.concat(*panels, columns=2, spacing=28), title)


def _panel(rows: pl.DataFrame, column: str, several: bool, scales: style.Scales) -> Any:
    over, what = COLUMNS[column]
    shown = rows.with_columns(
        shown=pl.col("family").map_elements(style.family_name, return_dtype=pl.String),
        about=pl.format("{} at {} pixels: {} {}", "name", "resolution", pl.col(column).round_sig_figs(4), pl.lit(what)),
    )
    low, high = style.extent(shown[column])
    domain = [low / 1.5, high * 1.5]
    sizes = sorted(set(shown["resolution"]))
    ticks = _spaced(sizes)
    base = alt.Chart(style.data(shown.drop("measured_at").to_dicts())).encode(
        x=alt.X("resolution:Q", title="pixels a side")
        .scale(type="log", domain=[sizes[0], max(sizes[-1], sizes[0] + 1)], nice=False)
        .axis(values=ticks, format="d", grid=False, labelFlush=False),
        y=alt.Y(f"{column}:Q", title=what)
        .scale(type="log", domain=domain, nice=False)
        .axis(values=style.log_ticks(*domain), labelExpr=PLAIN),
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
    return drawn.properties(width=220, height=HEIGHT, title=style.panel_title(over, device))


def _spaced(sizes: list[int]) -> list[int]:
    """The sizes whose labels do not touch on a logarithmic axis: of several within 15 %, the first."""
    kept: list[int] = []
    for size in sizes:
        if not kept or size > 1.15 * kept[-1]:
            kept.append(size)
    return kept

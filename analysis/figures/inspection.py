"""What models look at (§4.5, Figures 6, 7, 10, 11 and 14), from the rows that `python -m scaling.inspection` writes.

Each chart takes the rows of one table of `scaling.store.TABLES`, of any number of models.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from PIL import Image, ImageFilter

from analysis.figures import style
from analysis.figures.pictures import SIDE, mosaic, picture, scale_bar, viridis
from scaling.store import Storage, read_table

COMPONENTS = 28  # that are drawn, as in Figure 7


@dataclass(frozen=True)
class Inspections:
    """All inspection rows of a storage, one frame per table."""

    attention_distance: pl.DataFrame
    filters: pl.DataFrame
    position_similarity: pl.DataFrame
    rollout: pl.DataFrame


def load_inspections(storage: str | Path | Storage) -> Inspections:
    """The inspections of a storage, with labels (`with_labels`). The frames are empty when there are none."""
    place = Storage.of(storage)
    return Inspections(**{field.name: with_labels(read_table(place, field.name)) for field in fields(Inspections)})


def with_labels(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `label`: the model's name, with what tells inspections of one name apart (weights, resolution, or images).

    Rows are sorted by label, so that the pictures of one model stand together.
    """
    several = [
        (pl.col("weights_sha256"), pl.format(", weights {}", pl.col("weights_sha256").str.head(6))),
        (pl.col("resolution"), pl.format(", {} px", "resolution")),
    ]
    label = pl.col("name")
    for column, text in several:
        label = label + pl.when(column.n_unique().over("name") > 1).then(text).otherwise(pl.lit(""))
    named = rows.with_columns(label=label)
    again = pl.col("inspection_id").n_unique().over("label") > 1  # the same weights, other images
    text = pl.format("{} #{}", "label", pl.col("inspection_id").str.head(4))
    return named.with_columns(label=pl.when(again).then(text).otherwise("label")).sort("label", maintain_order=True)


def inspection_charts(seen: Inspections) -> dict[str, tuple[Any, str]]:
    """The figures that there are rows for: name -> (altair chart, caption)."""
    figures: dict[str, tuple[Callable[[pl.DataFrame], Any], pl.DataFrame, str]] = {
        "attention_distance": (
            distance_chart,
            seen.attention_distance,
            "How far each head attends, by depth, in pixels.",
        ),
        "filters": (filters_chart, seen.filters, "Principal components of the patch embedding's filters."),
        "positions": (positions_chart, seen.position_similarity, "Similarity of the position embeddings."),
        "rollout": (rollout_chart, seen.rollout, "Which parts of an image reach the output, by attention rollout."),
    }
    drawn = {}
    for name, (draw, rows, caption) in figures.items():
        with suppress(style.NothingToDrawError):
            drawn[name] = (draw(rows), caption)
    return drawn


# --- attention distance (Figures 7 and 11) -----------------------------------------------------------------------


def distance_chart(rows: pl.DataFrame) -> Any:
    """Mean attention distance (pixels) of every head by layer: a point per head, a line through the layers' means.

    One panel per model. Raises NothingToDrawError without rows.
    """
    require_rows(rows, "no attention distances to draw")
    tops = rows.with_columns(
        top=pl.col("pixels").max().over("resolution") * 1.06
    )  # models of one resolution have the same axis
    panels = [_distance_panel(part) for part in tops.partition_by("label", maintain_order=True)]
    title = style.titled("Attention distance by depth", "Each point is one head, the line the mean of a layer's heads.")
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _distance_panel(rows: pl.DataFrame) -> Any:
    first = rows.row(0, named=True)
    layers = int(str(rows["layer"].max())) + 1
    shown = rows.sort("layer", "head").select(
        "layer",
        "head",
        "pixels",
        about=pl.format("layer {}, head {}: {} px", "layer", "head", pl.col("pixels").round(1)),
    )
    x = alt.X("layer:Q", title="layer").scale(domain=[-0.5, layers - 0.5], nice=False)
    # at most eight ticks, whole numbers
    ticks = list(range(0, layers, max(1, -(-layers // 8))))
    x = x.axis(values=ticks, format="d", grid=False)
    y = alt.Y("pixels:Q", title="mean distance (px)").scale(domain=[0, first["top"] or 1.0], nice=False)
    points = alt.Chart(style.data(shown.to_dicts())).mark_point(filled=True, size=34, opacity=0.75, color="#0072B2")
    means = shown.group_by("layer", maintain_order=True).agg(pl.col("pixels").mean())
    line = alt.Chart(style.data(means.to_dicts())).mark_line(color=style.INK, strokeWidth=1.4, opacity=0.7, aria=False)
    size = f"{first['resolution']} px, {first['images']} image{'s' if first['images'] != 1 else ''}"
    title = style.panel_title(str(first["label"]), size)
    drawn = line.encode(x=x, y=y) + points.encode(x=x, y=y, tooltip="about:N", description="about:N")
    return drawn.properties(width=300, height=240, title=title)


# --- filters (Figure 7, left) ------------------------------------------------------------------------------------


def filters_chart(rows: pl.DataFrame) -> Any:
    """The first principal components of the patch embedding's filters as small images, one panel per model.

    Raises NothingToDrawError without rows.
    """
    require_rows(rows, "no filters to draw")
    models = rows.partition_by("label", maintain_order=True)
    panels = [picture(_filtermosaic(part), *_filter_words(part)) for part in models]
    title = style.titled(
        "Filters of the patch embedding",
        "Principal components, largest variance first; each is scaled to its own range.",
    )
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _filter_words(rows: pl.DataFrame) -> tuple[str, str]:
    shown = rows.filter(pl.col("component") < COMPONENTS)
    share = float(shown["variance"].sum())
    return rows["label"][0], f"{shown.height} components of {rows['side'][0]} px, {share:.0%} of the variance"


def _filtermosaic(rows: pl.DataFrame) -> np.ndarray:
    """Components in rows of seven: [height, width, 3] bytes."""
    tiles = []
    for row in rows.filter(pl.col("component") < COMPONENTS).sort("component").to_dicts():
        values = np.reshape(row["values"], (row["side"], row["side"], 3))
        low, high = values.min(), values.max()
        tiles.append((values - low) / (high - low or 1.0) * 255)
    return mosaic(tiles, 7)


# --- positions (Figures 7, centre, and 10) -----------------------------------------------------------------------


def positions_chart(rows: pl.DataFrame) -> Any:
    """Cosine similarity of each patch's position embedding with all others: one map per patch.

    One panel per table of a model; of a model with a table per layer, the first, the middle and the last. Raises
    NothingToDrawError without rows.
    """
    require_rows(rows, "no position embeddings to draw")
    panels = []
    for model in rows.partition_by("label", maintain_order=True):
        tables = sorted(set(model["table"]))
        for table in sorted({tables[0], tables[len(tables) // 2], tables[-1]}):
            part = model.filter(pl.col("table") == table)
            words = f"table {table + 1} of {len(tables)}, " if len(tables) > 1 else ""
            grid = part["grid"][0]
            panels.append(picture(_positionmosaic(part), model["label"][0], f"{words}{grid} × {grid} patches"))
    title = style.titled(
        "Similarity of position embeddings",
        "One tile per patch, at its place in the image: its cosine similarity with all patches, from −1 to 1.",
    )
    sheet = alt.concat(*panels, columns=min(len(panels), 3), spacing=28)
    return style.styled(alt.vconcat(sheet, scale_bar(-1, 1, "cosine similarity"), spacing=18), title)


def _positionmosaic(rows: pl.DataFrame) -> np.ndarray:
    """The maps at their patches' places in the image; of a fine grid every second or third, so that at most 16 fit."""
    grid = int(rows["grid"][0])
    step = -(-grid // 16)
    kept = [
        viridis((np.reshape(row["cosines"], (grid, grid)) + 1) / 2)
        for row in rows.sort("position").to_dicts()
        if (row["position"] // grid) % step == 0 and (row["position"] % grid) % step == 0
    ]
    return mosaic(kept, -(-grid // step))


# --- rollout (Figures 6 and 14) ----------------------------------------------------------------------------------


def rollout_chart(rows: pl.DataFrame, most: int = 12) -> Any:
    """Pairs of an image and the image darkened where little of it reaches the output, one panel per model.

    At most `most` images of each model. Raises NothingToDrawError without rows.
    """
    require_rows(rows, "no rollouts to draw")
    panels = []
    for model in rows.partition_by("label", maintain_order=True):
        shown = model.head(most)
        sheet = mosaic([tile for row in shown.to_dicts() for tile in _rollout_pair(row)], 6)
        words = f"{shown.height} image{'s' if shown.height != 1 else ''} of {shown['data'][0]}"
        panels.append(picture(sheet, model["label"][0], words, 2 * SIDE))
    title = style.titled(
        "What the output attends to",
        "Each image, and beside it the image with the brightness of each patch's share in the output (rollout).",
    )
    return style.styled(alt.concat(*panels, columns=1 if len(panels) < 3 else 2, spacing=28), title)


def _rollout_pair(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The small image, and it times its mask: shares over the largest, resized to the image and smoothed (§D.8)."""
    image = np.reshape(row["pixels"], (row["side"], row["side"], 3)).astype(float)
    shares = np.reshape(row["shares"], (row["grid"], row["grid"]))
    mask = Image.fromarray((shares / (shares.max() or 1.0)).astype(np.float32))
    large = mask.resize((row["side"], row["side"]), Image.Resampling.BICUBIC)
    smooth = np.asarray(large).clip(0, 1)
    blurred = Image.fromarray((smooth * 255).round().astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(row["side"] / row["grid"] / 4)
    )
    share = np.asarray(blurred, float)[..., None] / 255
    # dark, not black: a reader still sees what the model does not use
    return image, image * (0.12 + 0.88 * share)


def require_rows(rows: pl.DataFrame, words: str) -> None:
    if rows.is_empty():
        raise style.NothingToDrawError(words)

"""Pictures of what models look at (§4.5, Figures 6, 7, 10, 11 and 14), from the rows that `scaling.inspection` left.

Frame -> altair chart; each function takes the rows of one table of `scaling.store.TABLES`, of any number of models.
"""

import base64
import io
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
from scaling.store import Storage, read_table

SIDE = 230  # px, of one map
PIXELS = 448  # a side, at most, of a picture inside a figure
MAPS = 28  # components that are drawn, as in Figure 7
VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # its quarters


@dataclass(frozen=True)
class Inspections:
    """All rows of inspections in a storage, one frame a table."""

    attention_distance: pl.DataFrame
    filters: pl.DataFrame
    position_similarity: pl.DataFrame
    rollout: pl.DataFrame


def load_inspections(storage: str | Path | Storage) -> Inspections:
    """The inspections of a storage, each model's label made unique. Frames without rows when there are none."""
    place = Storage.of(storage)
    return Inspections(**{field.name: with_names(read_table(place, field.name)) for field in fields(Inspections)})


def with_names(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`: the model's name, with what tells several weights, resolutions or images of one name apart.

    In order of names, so that the pictures of one model stand together.
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
    """The figures that there are rows for: name -> (altair chart, what it shows)."""
    made: dict[str, tuple[Callable[[pl.DataFrame], Any], pl.DataFrame, str]] = {
        "attention_distance": (
            distance_chart,
            seen.attention_distance,
            "How far each head attends, by depth, in pixels.",
        ),
        "filters": (filters_chart, seen.filters, "Principal components of the patch embedding's filters."),
        "positions": (positions_chart, seen.position_similarity, "Similarity of the position embeddings."),
        "rollout": (rollout_chart, seen.rollout, "What of an image reaches the output, by attention rollout."),
    }
    drawn = {}
    for name, (draw, rows, caption) in made.items():
        with suppress(style.NothingToDrawError):
            drawn[name] = (draw(rows), caption)
    return drawn


# --- attention distance (Figures 7 and 11) -----------------------------------------------------------------------


def distance_chart(rows: pl.DataFrame) -> Any:
    """Mean attention distance of every head by layer, a panel a model; a line through the layers' means."""
    _something(rows, "no attention distances to draw")
    tops = rows.with_columns(top=pl.col("pixels").max().over("resolution") * 1.06)  # one axis for one image size
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
    """The first components of the patch embedding's filters as small images, a panel a model."""
    _something(rows, "no filters to draw")
    models = rows.partition_by("label", maintain_order=True)
    panels = [_picture(_filter_mosaic(part), *_filter_words(part)) for part in models]
    title = style.titled(
        "Filters of the patch embedding",
        "Principal components, the strongest first; each scaled to its own range.",
    )
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _filter_words(rows: pl.DataFrame) -> tuple[str, str]:
    shown = rows.filter(pl.col("component") < MAPS)
    share = float(shown["variance"].sum())
    return rows["label"][0], f"{shown.height} components of {rows['side'][0]} px, {share:.0%} of the variance"


def _filter_mosaic(rows: pl.DataFrame) -> np.ndarray:
    """Components in rows of seven with white lines between: [height, width, 3] bytes."""
    tiles = []
    for row in rows.filter(pl.col("component") < MAPS).sort("component").to_dicts():
        values = np.reshape(row["values"], (row["side"], row["side"], 3))
        low, high = values.min(), values.max()
        tiles.append((values - low) / (high - low or 1.0) * 255)
    return _mosaic(tiles, 7)


def _mosaic(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Equal square tiles [side, side, 3] in rows of `columns`, white between and in the places that are left."""
    side = tiles[0].shape[0]
    scale = max(1, PIXELS // (columns * (side + 1)))
    step = side * scale + max(2, scale // 2)
    count = -(-len(tiles) // columns)
    sheet = np.full((count * step, min(columns, len(tiles)) * step, 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = (step * at for at in divmod(place, columns))
        large = np.kron(tile, np.ones((scale, scale, 1))).round().astype(np.uint8)
        sheet[top : top + side * scale, left : left + side * scale] = large
    return sheet


# --- positions (Figures 7, centre, and 10) -----------------------------------------------------------------------


def positions_chart(rows: pl.DataFrame) -> Any:
    """Cosine similarity of each patch's position embedding with all others: a map a patch, a panel a table of a model.

    Of a model with a table a layer, the first, the middle and the last are shown.
    """
    _something(rows, "no position embeddings to draw")
    panels = []
    for model in rows.partition_by("label", maintain_order=True):
        tables = sorted(set(model["table"]))
        for table in sorted({tables[0], tables[len(tables) // 2], tables[-1]}):
            part = model.filter(pl.col("table") == table)
            words = f"table {table + 1} of {len(tables)}, " if len(tables) > 1 else ""
            grid = part["grid"][0]
            panels.append(_picture(_position_mosaic(part), model["label"][0], f"{words}{grid} × {grid} patches"))
    title = style.titled(
        "Similarity of position embeddings",
        "A tile for each patch, at its place in the image: its cosine similarity with all patches, from −1 to 1.",
    )
    sheet = alt.concat(*panels, columns=min(len(panels), 3), spacing=28)
    return style.styled(alt.vconcat(sheet, _scale_bar(-1, 1, "cosine similarity"), spacing=18), title)


def _position_mosaic(rows: pl.DataFrame) -> np.ndarray:
    """Maps of the patches at their places in the image; of a fine grid every second, or third, so that 16 fit."""
    grid = int(rows["grid"][0])
    step = -(-grid // 16)
    kept = [
        _coloured((np.reshape(row["cosines"], (grid, grid)) + 1) / 2)
        for row in rows.sort("position").to_dicts()
        if (row["position"] // grid) % step == 0 and (row["position"] % grid) % step == 0
    ]
    return _mosaic(kept, -(-grid // step))


def _coloured(shares: np.ndarray) -> np.ndarray:
    """Values in [0, 1] in viridis, which is even to the eye and to the colour-blind: [..., 3] in [0, 255]."""
    stops = np.linspace(0, 1, len(VIRIDIS))
    return np.stack([np.interp(shares, stops, channel) for channel in np.array(VIRIDIS).T], -1)


def _scale_bar(low: float, high: float, text: str) -> Any:
    """A bar of colours with its ends and its middle written below."""
    strip = _coloured(np.linspace(0, 1, 256))[None].repeat(8, 0).round().astype(np.uint8)
    axis = alt.Axis(values=[low, (low + high) / 2, high], format="~g", grid=False)
    at = {"x": alt.X("x:Q", title=text, axis=axis).scale(domain=[low, high], nice=False), "url": "url:N"}
    bar = alt.Chart(style.data([{"x": (low + high) / 2, "url": _url(strip)}]))
    return (
        bar.mark_image(width=SIDE, height=12, aspect=False, aria=False).encode(**at).properties(width=SIDE, height=12)
    )


# --- rollout (Figures 6 and 14) ----------------------------------------------------------------------------------


def rollout_chart(rows: pl.DataFrame, most: int = 12) -> Any:
    """Images beside themselves darkened where little reaches the output, a panel a model; `most` images of each."""
    _something(rows, "no rollouts to draw")
    panels = []
    for model in rows.partition_by("label", maintain_order=True):
        shown = model.head(most)
        sheet = _mosaic([tile for row in shown.to_dicts() for tile in _rollout_pair(row)], 6)
        words = f"{shown.height} image{'s' if shown.height != 1 else ''} of {shown['data'][0]}"
        panels.append(_picture(sheet, model["label"][0], words, 2 * SIDE))
    title = style.titled(
        "What the output attends to",
        "Each image, and the image as bright as each patch's share in the output (rollout).",
    )
    return style.styled(alt.concat(*panels, columns=1 if len(panels) < 3 else 2, spacing=28), title)


def _rollout_pair(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The small image, and it times its mask: shares over the largest, made as large as it and smooth (§D.8)."""
    image = np.reshape(row["pixels"], (row["side"], row["side"], 3)).astype(float)
    shares = np.reshape(row["shares"], (row["grid"], row["grid"]))
    mask = Image.fromarray((shares / (shares.max() or 1.0)).astype(np.float32))
    large = mask.resize((row["side"], row["side"]), Image.Resampling.BICUBIC)
    smooth = np.asarray(large).clip(0, 1)
    blurred = Image.fromarray((smooth * 255).round().astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(row["side"] / row["grid"] / 4)
    )
    share = np.asarray(blurred, float)[..., None] / 255
    return image, image * (0.12 + 0.88 * share)


# --- pictures inside charts --------------------------------------------------------------------------------------


def _picture(pixels: np.ndarray, title: str, words: str, width: int = SIDE) -> Any:
    """A panel that is a picture [height, width, 3] of bytes, without axes."""
    height = round(width * pixels.shape[0] / pixels.shape[1])
    about = f"{title}: {words}"
    base = alt.Chart(style.data([{"url": _url(pixels), "about": about}]))
    image = base.mark_image(width=width, height=height, aspect=False).encode(
        x=alt.value(width / 2), y=alt.value(height / 2), url="url:N", description="about:N"
    )
    return image.properties(width=width, height=height, title=style.panel_title(title, words))


def _url(pixels: np.ndarray) -> str:
    """A picture as a PNG inside the figure."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()


def _something(rows: pl.DataFrame, words: str) -> None:
    if rows.is_empty():
        raise style.NothingToDrawError(words)

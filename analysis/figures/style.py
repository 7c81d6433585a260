"""The common look of all figures: colours, markers and sizes; legible in print and for the colour-blind."""

import json
import math
from collections.abc import Iterable
from typing import Any

import altair as alt
import polars as pl

from analysis.names import FAMILIES, family_name, split_mark

INK, GREY, LIGHT = "#1a1a1a", "#6b6b6b", "#d9d9d9"
OTHERS = (("#56B4E9", "triangle-down"), ("#E69F00", "cross"), (INK, "triangle-right"), (GREY, "triangle-left"))
PART_COLOURS = {
    "productive": "#009E73",
    "repeated": "#D55E00",
    "waiting": "#E69F00",
    "evaluating": "#56B4E9",
    "overhead": "#bdbdbd",
}
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
FONT_SIZE, LABEL_SIZE = 13, 11.5  # px
# a browser without these fonts takes a wider one, whose text would be cut at the sides
PADDING = {"left": 24, "right": 24, "top": 12, "bottom": 12}  # px
SPACING, BETWEEN = 28, 55  # px, between panels, and of the second one's axis
Scales = tuple[alt.Scale, alt.Scale]  # colour and marker


class NothingToDrawError(ValueError):
    """There are no rows that a figure could show; the message says which."""


def extent(values: pl.Series) -> tuple[float, float]:
    """The smallest and the largest of the values that are not null."""
    known = [float(value) for value in values.drop_nulls()]
    return min(known), max(known)


def family_scales(families: Iterable[str]) -> Scales:
    """The colour and marker scales of the families present; an unknown family gets the next free colour.

    A family of another storage (`mark_label`) has the family's colour, darker, and a marker of another shape.
    """
    present = set(families)
    known = [FAMILIES[family] for family in FAMILIES if family in present]
    others = [family for family in sorted(present - set(FAMILIES)) if split_mark(family)[1]]
    theirs = [
        (family_name(family), darker(FAMILIES[split_mark(family)[0]][1], 0.5), OTHERS[i % len(OTHERS)][1])
        for i, family in enumerate(others)
    ]
    extra = sorted(present - set(FAMILIES) - set(others))
    rows = known + theirs + [(name, *OTHERS[i % len(OTHERS)]) for i, name in enumerate(extra)]
    names, colours, markers = ([row[i] for row in rows] for i in range(3))
    return alt.Scale(domain=names, range=colours), alt.Scale(domain=names, range=markers)


def text_colour(family: str) -> str:
    """A darker shade of the family's colour, for text on white."""
    base, mark = split_mark(family)
    return darker(FAMILIES[base][1] if base in FAMILIES else INK, 0.5 if mark else 0.68)


def darker(colour: str, share: float) -> str:
    """The colour '#rrggbb' with its brightness multiplied by `share`."""
    return "#" + "".join(f"{int(int(colour[i : i + 2], 16) * share):02x}" for i in (1, 3, 5))


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis inside [low, high]: 1-2-5, or only powers of ten over four decades or more."""
    steps = (1, 2, 5) if high / low < 300 else (1, 3) if high / low < 10_000 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**d for d in decades for step in steps if low <= step * 10.0**d <= high]


def titled(text: str, subtitle: str = "") -> alt.TitleParams:
    """A figure's title, at its left edge, with what the marks mean in the subtitle."""
    return alt.TitleParams(text, anchor="start", offset=14, subtitle=subtitle or alt.Undefined)


def panel_widths(count: int, width: int) -> list[int]:
    """The widths of panels in rows of two: the last of an odd number is as wide as two with the axis between them."""
    widths = [width] * count
    return [*widths[:-1], 2 * width + SPACING + BETWEEN] if count > 1 and count % 2 else widths


def in_rows(panels: list[Any], columns: int = 2) -> Any:
    """Panels in rows. A last one that is alone is to be as wide as its row (`panel_widths`), beside no empty column."""
    if len(panels) <= columns or not len(panels) % columns:
        return alt.concat(*panels, columns=min(len(panels), columns), spacing=SPACING)
    # rows of their own: in one grid a wide panel would push the others apart
    rows = [panels[place : place + columns] for place in range(0, len(panels), columns)]
    return alt.vconcat(*(alt.hconcat(*row, spacing=SPACING) for row in rows), spacing=SPACING)


def panel_title(text: str, subtitle: str | list[str] = "") -> alt.TitleParams:
    """The title of one panel, smaller than the figure's."""
    return alt.TitleParams(
        text,
        anchor="middle",
        fontSize=FONT_SIZE,
        fontWeight="bold",
        offset=6,
        subtitle=subtitle or alt.Undefined,
        subtitleFontSize=LABEL_SIZE,
        subtitlePadding=3,
    )


def data(records: list[dict[str, Any]]) -> alt.InlineData:
    """Records as the data of a chart, with null for NaN."""
    known = [{key: None if value != value else value for key, value in row.items()} for row in records]
    # as JSON text: altair validates and copies a list of records again for every layer and panel
    return alt.InlineData(values=json.dumps(known), format=alt.JsonDataFormat(type="json"))


def texts(records: list[dict[str, Any]], **mark: Any) -> alt.LayerChart:
    """Labels at data coordinates (records of `x`, `y`, `text`, `colour`) with a white edge, legible over lines."""
    base = alt.Chart(data(records)).encode(x="x:Q", y="y:Q", text="text:N")
    # the outline is a mark of its own, below: an outlined text would cover its own letters
    under = base.mark_text(stroke="white", strokeWidth=3, strokeJoin="round", fontSize=LABEL_SIZE, aria=False, **mark)
    over = base.mark_text(fontSize=LABEL_SIZE, aria=False, **mark)
    layers: alt.LayerChart = under + over.encode(color=alt.Color("colour:N", scale=None))
    return layers


def styled(chart: Any, title: alt.TitleParams) -> Any:
    """The figure with the common look, on white wherever it is shown."""
    text: dict[str, Any] = {
        "labelFontSize": FONT_SIZE,
        "titleFontSize": FONT_SIZE,
        "titleFontWeight": "normal",
        "labelColor": INK,
    }
    lines = {"gridColor": LIGHT, "gridOpacity": 0.7, "domainColor": GREY, "tickColor": GREY}
    config = alt.Config(
        font=FONT,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(**text | lines, titleColor=INK, titlePadding=8, labelLimit=220),
        legend=alt.LegendConfig(
            **text, orient="top", symbolSize=90, labelLimit=260, columns=0, columnPadding=28, rowPadding=6
        ),
        title=alt.TitleConfig(
            fontSize=15, subtitleFontSize=FONT_SIZE, subtitleColor=GREY, color=INK, subtitlePadding=5
        ),
    )
    # at once: altair copies the whole chart for each call
    return chart.properties(title=title, background="white", padding=PADDING, config=config)

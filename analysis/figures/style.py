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


def panel_title(text: str, subtitle: str = "") -> alt.TitleParams:
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
    return (
        chart.properties(title=title, background="white", padding=12)
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            **{"labelFontSize": FONT_SIZE, "titleFontSize": FONT_SIZE, "titleFontWeight": "normal", "labelColor": INK},
            **{"titleColor": INK, "gridColor": LIGHT, "gridOpacity": 0.7, "domainColor": GREY, "tickColor": GREY},
            **{"titlePadding": 8, "labelLimit": 220},
        )
        .configure_legend(
            **{
                "orient": "top",
                "labelFontSize": FONT_SIZE,
                "titleFontSize": FONT_SIZE,
                "labelColor": INK,
                "symbolSize": 90,
            },
            **{"labelLimit": 260, "titleFontWeight": "normal", "columns": 0, "columnPadding": 28, "rowPadding": 6},
        )
        .configure_title(fontSize=15, subtitleFontSize=FONT_SIZE, subtitleColor=GREY, color=INK, subtitlePadding=5)
    )

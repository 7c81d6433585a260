"""Panels of lines, one panel per task, with a legend of their own instead of the families' colours."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.label_placement import CHARACTER
from analysis.rows import shown_task, tasks_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", style.INK, style.GREY)


MARKERS = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")


WIDTH, ALONE = 300, 450  # px, of one of two panels side by side, and of a single panel


def line_panel(
    shown: pl.DataFrame, x: alt.X, lines: list[str], title: str, band: pl.DataFrame | None = None, across: int = 1
) -> Any:
    """Lines of `percent` over `x`, one per value of `line`, with colours and markers in the order of `lines`.

    Where the frame has a `run_id`, several runs of one `line` are drawn as lines of their own. `band` (low, high in %)
    is a grey bar at each x. The legend is `across` panels wide.
    """
    band = shown.clear() if band is None else band
    # the band counts too: it may go beyond the lines
    low, high = style.extent(pl.concat([shown["percent"], *(band[end] for end in ("low", "high") if end in band)]))
    margin = max((high - low) * 0.06, 0.5)
    y = alt.Y("percent:Q", title="accuracy (%)").scale(domain=[low - margin, high + margin], nice=False, zero=False)
    width = WIDTH if across > 1 else ALONE
    columns = _legend_columns(lines, across * (width + 50))
    colour = alt.Color("line:N", title=None).scale(domain=lines, range=_cycled(COLOURS, lines))
    shape = alt.Shape("line:N", title=None).scale(domain=lines, range=_shifted(MARKERS, lines))
    colour, shape = colour.legend(columns=columns), shape.legend(columns=columns)
    described = shown.with_columns(about=pl.format("{}: {} %", "line", pl.col("percent").round(2)))
    base = alt.Chart(style.data(described.to_dicts())).encode(x=x, y=y, color=colour)
    points = base.mark_point(filled=True, size=58, opacity=1).encode(
        shape=shape, tooltip="about:N", description="about:N"
    )
    runs = {"detail": "run_id:N"} if "run_id" in shown.columns else {}
    drawn = base.mark_line(strokeWidth=1.8, opacity=0.8, aria=False).encode(**runs) + points
    if not band.is_empty():
        ranges = alt.Chart(style.data(band.to_dicts())).mark_bar(width=34, color=style.GREY, opacity=0.25, aria=False)
        drawn = ranges.encode(x=x, y=alt.Y("low:Q", title="accuracy (%)"), y2="high:Q") + drawn
    return drawn.properties(width=width, height=260, title=style.panel_title(title))


def _cycled(values: tuple[str, ...], lines: list[str]) -> list[str]:
    return [values[i % len(values)] for i in range(len(lines))]


def _shifted(values: tuple[str, ...], lines: list[str]) -> list[str]:
    """As `_cycled`, but one further in every round, so that a colour that is used again has another marker."""
    return [values[(i + i // len(values)) % len(values)] for i in range(len(lines))]


def _legend_columns(lines: list[str], width: float) -> int:
    """How many names fit side by side in `width` pixels; a legend in one row could make a figure of any width."""
    return max(1, int(width // (max(map(len, lines), default=0) * CHARACTER * 1.15 + 50)))


def lines_by_task(shown: pl.DataFrame, x: alt.X, title: str, subtitle: str, band: pl.DataFrame | None = None) -> Any:
    """A figure of `line_panel`s, one per task of `shown`; `band` has a column task too."""
    lines, tasks = shown["line"].unique(maintain_order=True).to_list(), tasks_of(shown)
    across, panels = min(len(tasks), 2), []
    shown = shown.drop("run_id", strict=False)  # a line is a model's, over its runs
    for task in tasks:
        part = None if band is None else band.filter(pl.col("task") == task)
        panels.append(line_panel(shown.filter(pl.col("task") == task), x, lines, shown_task(task), part, across))
    return style.styled(alt.concat(*panels, columns=across, spacing=28), style.titled(title, subtitle))


def log_axis(column: str, title: str, values: pl.Series) -> alt.X:
    """A logarithmic x axis that holds all `values` of `column`."""
    low, high = style.extent(values)
    domain = (low / 1.25, high * 1.25)
    axis = alt.Axis(values=style.log_ticks(*domain), format="~s", grid=False)
    return alt.X(f"{column}:Q", title=title, axis=axis).scale(type="log", domain=domain, nice=False)

"""Accuracy (%) against pre-training compute (in the SI unit that fits the study), with the Pareto frontier."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.error_bars import accuracy_sentence, over_seeds, padded_extent, with_error_bars
from analysis.figures.point_labels import Panel, Records, labelled
from analysis.names import flops_unit
from analysis.rows import fewer_points, is_crowded, shown_task, spread_over, tasks_of

WIDTH, HEIGHT = 390, 270  # px, of one of two panels side by side
BASELINES, LINES = 12, 4  # from-scratch baselines of a panel, and how many of them have a line across
BASELINE_STRIP = 0.16  # of the points' range of log compute, to the left of them


@dataclass(frozen=True)
class Axis:
    """The compute axis of all panels: its ends, and where the points without pre-training stand, if there are any."""

    low: float
    high: float
    none: float | None
    unit: str

    def x(self) -> alt.X:
        """The logarithmic axis. It has no 0, so baselines stand at a place of their own, called 'none'."""
        ticks = style.log_ticks(self.low, self.high)
        low = self.low
        axis: dict[str, Any] = {"values": ticks, "format": ",~g", "grid": False}
        if self.none is not None:
            low = self.none**2 / self.low  # as far left of the baselines as the first point's margin is right of them
            label = f"datum.value < {self.low!r} ? 'none' : format(datum.value, ',~g')"
            axis = {"values": [self.none, *ticks], "labelExpr": label, "grid": False}
        # nice=False: labels are placed for exactly these ranges, which Vega would round otherwise
        scaled = alt.X("compute:Q", title=f"pre-training compute ({self.unit})")
        return scaled.scale(type="log", domain=[low, self.high], nice=False).axis(**axis)

    @property
    def ends(self) -> tuple[float, float]:
        return (self.low if self.none is None else self.none**2 / self.low), self.high


def frontier_chart(frontier: pl.DataFrame) -> Any:
    """Accuracy against compute (`exaflops_valid`, log), one panel per task; `frontier` is `compare.frontier`'s frame.

    Lines join the points of a family in order of compute, or only those of its frontier where there are very many.
    From-scratch baselines are hollow, at 'none'. Bars are one standard deviation over seeds; the thin dark steps are
    the Pareto frontier of all models. Raises NothingToDrawError when no pre-trained model has compute.
    """
    known = with_error_bars(frontier).filter(pl.col("percent").is_finite())
    points = known.filter(pl.col("pretrained") & (pl.col("exaflops_valid") > 0))
    if points.is_empty():
        raise style.NothingToDrawError("no pre-trained model with an accuracy to draw")
    tasks = tasks_of(points)
    scratch = [spread_over(known.filter(~pl.col("pretrained"), task=task), "percent", BASELINES) for task in tasks]
    baselines = pl.concat(scratch)
    points = fewer_points(points)
    size, unit = flops_unit(points["exaflops_valid"])
    points = points.with_columns(compute=pl.col("exaflops_valid") / size).sort("compute", "percent")
    # all panels share the range of compute, so that they can be compared
    low, high = style.extent(points["compute"])
    margin = max((high / low) ** 0.1, 1.25)
    strip = max((high / low) ** BASELINE_STRIP, 1.6)
    axis = Axis(low / margin, high * margin, None if baselines.is_empty() else low / margin / strip**0.5, unit)
    shown = pl.concat([points, baselines.with_columns(compute=pl.lit(axis.none or 1.0))])
    scales = style.family_scales(shown["family"])
    widths = style.panel_widths(len(tasks), WIDTH)
    panels = [
        _frontier_panel(shown.filter(task=task), axis, scales, width) for task, width in zip(tasks, widths, strict=True)
    ]
    hollow = "" if baselines.is_empty() else " Hollow, at 'none': from scratch."
    note = f"Thin dark steps: Pareto frontier of all models.{hollow}{over_seeds(shown)}"
    return style.styled(style.in_rows(panels), style.titled("Accuracy by pre-training compute", note))


def _frontier_panel(points: pl.DataFrame, axis: Axis, scales: style.Scales, width: int) -> Any:
    title, y = shown_task(points["task"][0]), padded_extent(points["low", "high"], 0.14)
    records = points.to_dicts()
    for row in records:
        row["label"] += "" if row["pretrained"] else " from scratch"
        compute = f"{row['compute']:.4g} {axis.unit} of" if row["pretrained"] else "without"
        row["about"] = accuracy_sentence(row, f"on {row['task']}, {compute} pre-training")
    trained, scratch = ([row for row in records if row["pretrained"] is kind] for kind in (True, False))
    x, accuracy = axis.x(), alt.Y("percent:Q", title="accuracy (%)").scale(domain=y, nice=False, zero=False)
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    shape = alt.Shape("shown:N", title=None, scale=scales[1])
    crowded = is_crowded(points.filter("pretrained"))
    joined = [row for row in trained if row["on_family_frontier"]] if crowded else trained
    mark: dict[str, Any] = {"size": 16, "strokeWidth": 0} if crowded else {"size": 62, "strokeWidth": 0.8}
    about = {"tooltip": alt.Tooltip("about:N", title=title), "description": "about:N"}
    steps = alt.Chart(style.data(_steps(trained, axis.high))).mark_line(
        interpolate="step-after", color=style.INK, strokeWidth=1, opacity=0.75, aria=False
    )
    path = alt.Chart(style.data(joined)).mark_line(strokeWidth=1.8, opacity=0.8, aria=False)
    bars, base = (alt.Chart(style.data(part)).encode(x=x) for part in (records, trained))
    level = [row | {"end": axis.high} for row in scratch] if len(scratch) <= LINES else []
    across = alt.Chart(style.data(level)).mark_rule(strokeDash=[2, 4], opacity=0.6, aria=False)
    hollow = alt.Chart(style.data(scratch)).mark_point(size=62, strokeWidth=1.8, opacity=1, fill="white")
    drawn, key = labelled(joined + scratch, _lines(joined, trained, axis), Panel(axis.ends, y, width, HEIGHT))
    layers = [
        steps.encode(x=x, y=accuracy),
        path.encode(x=x, y=accuracy, color=colour),
        across.encode(x=x, x2="end:Q", y=accuracy, color=colour),
        bars.mark_rule(strokeWidth=1.5, aria=False).encode(
            y=alt.Y("low:Q").title("accuracy (%)"), y2="high:Q", color=colour
        ),
        base.mark_point(**mark, filled=True, opacity=1, stroke="white").encode(
            y=accuracy, color=colour, shape=shape, **about
        ),
        hollow.encode(x=x, y=accuracy, stroke=alt.Stroke("shown:N", title=None, scale=scales[0]), shape=shape, **about),
        drawn,
    ]
    layers = [layer for layer, rows in zip(layers, (1, 1, level, 1, 1, scratch, 1), strict=True) if rows]
    return alt.layer(*layers).properties(width=width, height=HEIGHT, title=style.panel_title(title, key))


def _steps(records: Records, end: float) -> Records:
    """The corners of the frontier's line, which is continued to the panel's edge."""
    corners = [{"compute": row["compute"], "percent": row["percent"]} for row in records if row["on_frontier"]]
    return [*corners, {"compute": end, "percent": corners[-1]["percent"]}] if corners else []


def _lines(joined: Records, trained: Records, axis: Axis) -> list[list[tuple[float, float]]]:
    """The drawn lines that labels should not cover, as (compute, percent): the families', and the frontier's steps."""
    families = sorted({row["family"] for row in joined})
    lines = [[(row["compute"], row["percent"]) for row in joined if row["family"] == family] for family in families]
    corners = [(row["compute"], row["percent"]) for row in _steps(trained, axis.high)]
    stairs = [point for a, b in pairwise(corners) for point in (a, (b[0], a[1]), b)]
    return [*lines, stairs]

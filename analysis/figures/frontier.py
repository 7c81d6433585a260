"""Accuracy (%) against pre-training compute (in the SI unit that fits the study), with the Pareto frontier."""

import math
from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl

from analysis.figures import label_placement as labels
from analysis.figures import style
from analysis.figures.error_bars import accuracy_sentence, padded_extent, with_error_bars
from analysis.names import flops_unit
from analysis.rows import fewer_points, is_crowded, shown_task, tasks_of

WIDTH, HEIGHT = 300, 260  # px, of one panel
Records = list[dict[str, Any]]


def frontier_chart(frontier: pl.DataFrame) -> Any:
    """Accuracy against compute (`exaflops_valid`, log), one panel per task; `frontier` is `compare.frontier`'s frame.

    Lines join the points of a family in order of compute, or only those of its frontier where there are very many.
    Bars are one standard deviation over seeds; the thin dark steps are the Pareto frontier of all models. Raises
    NothingToDrawError when no pre-trained model has compute.
    """
    points = with_error_bars(frontier.filter(pl.col("pretrained") & (pl.col("exaflops_valid") > 0)))
    if points.is_empty():
        raise style.NothingToDrawError("no pre-trained model with an accuracy to draw")
    points = fewer_points(points)
    size, unit = flops_unit(points["exaflops_valid"])
    points = points.with_columns(compute=pl.col("exaflops_valid") / size).sort("compute", "percent")
    # all panels share the range of compute, so that they can be compared
    low, high = style.extent(points["compute"])
    margin = max((high / low) ** 0.1, 1.25)
    scales = style.family_scales(points["family"])
    panels = [
        _frontier_panel(points.filter(pl.col("task") == task), unit, (low / margin, high * margin), scales)
        for task in tasks_of(points)
    ]
    seeds = "" if points["top1_std"].null_count() == len(points) else " Bars: ± one standard deviation over seeds."
    title = style.titled("Accuracy by pre-training compute", f"Thin dark steps: Pareto frontier of all models.{seeds}")
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _frontier_panel(points: pl.DataFrame, unit: str, x: tuple[float, float], scales: style.Scales) -> Any:
    title = shown_task(points["task"][0])
    y = padded_extent(points["low", "high"], 0.14)
    records = points.to_dicts()
    for row in records:
        row["about"] = accuracy_sentence(row, f"on {row['task']}, {row['compute']:.4g} {unit} of pre-training")
    # nice=False: labels are placed for exactly these ranges, which Vega would round otherwise
    compute = alt.X("compute:Q", title=f"pre-training compute ({unit})").scale(type="log", domain=x, nice=False)
    accuracy = alt.Y("percent:Q", title="accuracy (%)").scale(domain=y, nice=False, zero=False)
    compute = compute.axis(values=style.log_ticks(*x), format=",~g", grid=False)
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    base = alt.Chart(style.data(records)).encode(x=compute)
    crowded = is_crowded(points)
    joined = [row for row in records if row["on_family_frontier"]] if crowded else records
    mark: dict[str, Any] = {"size": 16, "strokeWidth": 0} if crowded else {"size": 62, "strokeWidth": 0.8}
    path = alt.Chart(style.data(joined)).mark_line(strokeWidth=1.8, opacity=0.8, aria=False)
    steps = alt.Chart(style.data(_steps(records, x[1]))).mark_line(
        interpolate="step-after", color=style.INK, strokeWidth=1, opacity=0.75, aria=False
    )
    layers = [
        steps.encode(x=compute, y=accuracy),
        path.encode(x=compute, y=accuracy, color=colour),
        base.mark_rule(strokeWidth=1.5, aria=False).encode(
            y=alt.Y("low:Q").title("accuracy (%)"), y2="high:Q", color=colour
        ),
        base.mark_point(**mark, filled=True, opacity=1, stroke="white").encode(
            y=accuracy,
            color=colour,
            shape=alt.Shape("shown:N", title=None, scale=scales[1]),
            tooltip=alt.Tooltip("about:N", title=title),
            description="about:N",
        ),
        _point_labels(joined, x, y),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=style.panel_title(title))


def _steps(records: Records, end: float) -> Records:
    """The corners of the frontier's line, which is continued to the panel's edge."""
    corners = [{"compute": row["compute"], "percent": row["percent"]} for row in records if row["on_frontier"]]
    return [*corners, {"compute": end, "percent": corners[-1]["percent"]}] if corners else []


def _point_labels(records: Records, x: tuple[float, float], y: tuple[float, float]) -> Any:
    """The names of the points; they are placed in pixels, where text has a size, then converted to the axes' units."""
    span = math.log(x[1] / x[0])

    def pixels(row: dict[str, Any], value: str) -> tuple[float, float]:
        return math.log(row["compute"] / x[0]) / span * WIDTH, (y[1] - row[value]) / (y[1] - y[0]) * HEIGHT

    points = [(*pixels(row, "percent"), row["label"]) for row in records]
    bars = [
        labels.Box(px, py, 3, abs(pixels(row, "low")[1] - py) * 2)
        for row, (px, py, _) in zip(records, points, strict=True)
    ]
    families = sorted({row["family"] for row in records})
    lines = [[pixels(row, "percent") for row in records if row["family"] == family] for family in families]
    corners = [pixels(row, "percent") for row in _steps(records, x[1])]
    lines.append([point for a, b in pairwise(corners) for point in (a, (b[0], a[1]), b)])
    boxes = labels.place(points, (WIDTH, HEIGHT), bars, lines)
    placed = [(row, box) for row, box in zip(records, boxes, strict=True) if box is not None]
    return style.texts(
        [
            {
                "x": x[0] * math.exp(box.x / WIDTH * span),
                "y": y[1] - box.y / HEIGHT * (y[1] - y[0]),
                "text": row["label"],
            }
            | {"colour": style.text_colour(row["family"])}
            for row, box in placed
        ]
    )

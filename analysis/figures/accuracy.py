"""Figures of accuracy: against compute, against controls from scratch, and with few shots. Frame -> altair chart.

Accuracies are shown in %, compute in the SI unit that fits the study.
"""

import math
from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl

from analysis.figures import label_placement as labels
from analysis.figures import style
from analysis.names import family_name, flops_unit
from analysis.rows import fewer_points, is_crowded, pretraining_pairs, shown_task, tasks_of
from analysis.rows import with_display_name as with_labels

WIDTH, HEIGHT = 300, 260  # px, of one panel
Records = list[dict[str, Any]]


def _percent(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds what figures show: percent, low and high end of the error bar, family's name, label and a sentence."""
    shown = with_labels(frame).with_columns(
        percent=pl.col("top1_mean") * 100,
        spread=pl.col("top1_std").fill_null(0.0) * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
    )
    return shown.with_columns(low=pl.col("percent") - pl.col("spread"), high=pl.col("percent") + pl.col("spread"))


def _sentence(row: dict[str, Any], where: str) -> str:
    deviation = "" if row["top1_std"] is None else f" ± {row['spread']:.2f}"
    return f"{row['label']}: {row['percent']:.2f}{deviation} % {where}"


def _bounds(bars: pl.DataFrame, share: float) -> tuple[float, float]:
    """The axis that holds all error bars, with a share of its length to spare on both ends."""
    low, high = style.extent(bars["low"])[0], style.extent(bars["high"])[1]
    margin = max((high - low) * share, 0.5)
    return low - margin, high + margin


# --- frontier ------------------------------------------------------------------------------------------------------


def frontier_chart(frontier: pl.DataFrame) -> Any:
    """Accuracy against pre-training compute (`exaflops_valid`, log), a panel a task: `frontier.frontier`'s frame.

    Lines join the points of a family in order of compute (of very many, those of its frontier), bars are one standard
    deviation over seeds, the thin dark step is the Pareto frontier of all models. Raises `style.NothingToDrawError`
    when no point has compute.
    """
    points = _percent(frontier.filter(pl.col("pretrained") & (pl.col("exaflops_valid") > 0)))
    if points.is_empty():
        raise style.NothingToDrawError("no pre-trained model with an accuracy to draw")
    points = fewer_points(points)
    size, unit = flops_unit(points["exaflops_valid"])
    points = points.with_columns(compute=pl.col("exaflops_valid") / size).sort("compute", "percent")
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
    y = _bounds(points["low", "high"], 0.14)
    records = points.to_dicts()
    for row in records:
        row["about"] = _sentence(row, f"on {row['task']}, {row['compute']:.4g} {unit} of pre-training")
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
    """The corners of the frontier's line, which goes on to the panel's edge."""
    on = [{"compute": row["compute"], "percent": row["percent"]} for row in records if row["on_frontier"]]
    return [*on, {"compute": end, "percent": on[-1]["percent"]}] if on else []


def _point_labels(records: Records, x: tuple[float, float], y: tuple[float, float]) -> Any:
    """The names of the points, placed in pixels and given back in the units of the axes."""
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


# --- controls ------------------------------------------------------------------------------------------------------


def pretraining_chart(accuracies: pl.DataFrame) -> Any:
    """Accuracy with and without pre-training, a row a model and a panel a task, bars one standard deviation.

    Raises `style.NothingToDrawError` when no model has a control from scratch.
    """
    pairs = pretraining_pairs(accuracies)
    if pairs.is_empty():
        raise style.NothingToDrawError("no model has a control from scratch")
    start = pl.when("pretrained").then(pl.lit("pre-trained")).otherwise(pl.lit("from scratch"))
    shown = _percent(pairs).with_columns(start=start)
    domain = list(_bounds(shown["low", "high"], 0.06))
    order = shown.filter("pretrained").sort("exaflops_valid")["name"].unique(maintain_order=True).to_list()
    panels = [
        _pair_panel(shown.filter(pl.col("task") == task), shown_task(task), domain, order) for task in tasks_of(shown)
    ]
    title = style.titled(
        "What pre-training gains", "Test accuracy after fine-tuning. Bars: ± one standard deviation over seeds."
    )
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _pair_panel(shown: pl.DataFrame, title: str, domain: list[float], order: list[str]) -> Any:
    records = shown.to_dicts()
    for row in records:
        row["about"] = _sentence(row, f"on {row['task']}, {row['start']}")
    starts = ["pre-trained", "from scratch"]
    model = alt.Y("name:N", title=None, sort=order).axis(labelFontSize=style.FONT_SIZE, grid=False)
    accuracy = alt.X("percent:Q", title="accuracy (%)").scale(domain=domain, nice=False, zero=False)
    colour = alt.Color("start:N", title=None).scale(domain=starts, range=["#0072B2", "#D55E00"])
    shape = alt.Shape("start:N", title=None).scale(domain=starts, range=["circle", "diamond"])
    base = alt.Chart(style.data(records)).encode(y=model)
    ends = {"x": alt.X("min(percent):Q").title("accuracy (%)"), "x2": "max(percent):Q"}
    about = {"tooltip": alt.Tooltip("about:N", title=title), "description": "about:N"}
    layers = [
        base.mark_rule(color=style.LIGHT, strokeWidth=3, aria=False).encode(**ends),
        base.mark_rule(strokeWidth=1.5, aria=False).encode(
            x=alt.X("low:Q").title("accuracy (%)"), x2="high:Q", color=colour
        ),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=accuracy, color=colour, shape=shape, **about),
    ]
    size = {"width": 250, "height": alt.Step(30)}
    return alt.layer(*layers).properties(**size, title=style.panel_title(title))

"""Accuracy with and without pre-training: each model beside its from-scratch baseline."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.error_bars import accuracy_sentence, over_seeds, padded_extent, with_error_bars
from analysis.rows import pretraining_pairs, shown_task, tasks_of

WIDTH, LETTER = 320, 7  # px, of one of two panels side by side, and of a character of the models' names


def pretraining_chart(accuracies: pl.DataFrame) -> Any:
    """Accuracy (%) of pre-trained models and their from-scratch baselines: one row per model, one panel per task.

    Bars are one standard deviation over seeds. Raises NothingToDrawError when no model has a from-scratch baseline.
    """
    pairs = pretraining_pairs(accuracies)
    if pairs.is_empty():
        raise style.NothingToDrawError("no model has a from-scratch baseline")
    start = pl.when("pretrained").then(pl.lit("pre-trained")).otherwise(pl.lit("from scratch"))
    shown = with_error_bars(pairs).with_columns(start=start)
    domain = list(padded_extent(shown["low", "high"], 0.06))
    order = shown.filter("pretrained").sort("exaflops_valid")["name"].unique(maintain_order=True).to_list()
    tasks = tasks_of(shown)
    widths = style.panel_widths(len(tasks), WIDTH)
    # a name takes as much room as the axis of numbers that the wide panel of other figures makes up for
    widths = [width + max(map(len, order)) * LETTER - style.BETWEEN if width > WIDTH else width for width in widths]
    panels = [
        _pair_panel(shown.filter(task=task), shown_task(task), domain, order, int(width))
        for task, width in zip(tasks, widths, strict=True)
    ]
    title = style.titled("What pre-training gains", f"Test accuracy after fine-tuning.{over_seeds(shown)}")
    return style.styled(style.in_rows(panels), title)


def _pair_panel(shown: pl.DataFrame, title: str, domain: list[float], order: list[str], width: int) -> Any:
    records = shown.to_dicts()
    for row in records:
        row["about"] = accuracy_sentence(row, f"on {row['task']}, {row['start']}")
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
    return alt.layer(*layers).properties(width=width, height=alt.Step(30), title=style.panel_title(title))

"""VTAB-1k by group of tasks (Figure 2)."""

from typing import Any

import altair as alt
import polars as pl

from analysis.compare import vtab_group_means
from analysis.figures import style
from analysis.rows import Rows


def vtab_chart(rows: Rows) -> Any:
    """Mean accuracy over VTAB's 19 tasks and over each group of them: one bar per model, one panel per mean.

    Raises NothingToDrawError when the storage has no VTAB rows, or no model has all tasks of a group.
    """
    try:
        means = vtab_group_means(rows)
    except ValueError as error:
        raise style.NothingToDrawError(str(error)) from None
    if means.is_empty():
        raise style.NothingToDrawError("no model has all tasks of a group")
    models = means["model"].unique(maintain_order=True).to_list()
    panels = []
    for place, part in enumerate(means.partition_by("group", maintain_order=True)):
        shown = part.with_columns(
            percent=pl.col("top1") * 100, text=pl.format("{}", (pl.col("top1") * 100).round(1))
        ).with_columns(about=pl.format("{}: {} %", "model", "text"))
        # to 112: room for the number behind a bar of 100 %
        x = alt.X("percent:Q", title="accuracy (%)").scale(domain=[0, 112], nice=False)
        base = alt.Chart(style.data(shown.select("model", "percent", "text", "about").to_dicts())).encode(
            y=alt.Y("model:N", title=None, sort=models).axis(grid=False, labels=place % 2 == 0, ticks=False),
            x=x.axis(values=[0, 25, 50, 75, 100]),
        )
        bars = base.mark_bar(color="#0072B2").encode(tooltip="about:N", description="about:N")
        words = base.mark_text(align="left", dx=4, fontSize=style.LABEL_SIZE, aria=False).encode(text="text:N")
        panels.append(
            (bars + words).properties(width=230, height=alt.Step(24), title=style.panel_title(part["group"][0]))
        )
    title = style.titled("VTAB-1k by group of tasks", "Test accuracy, mean over tasks and seeds.")
    return style.styled(alt.concat(*panels, columns=2, spacing=24), title)

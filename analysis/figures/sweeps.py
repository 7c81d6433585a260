"""How the accuracy on the dev split responds to the learning rate."""

from typing import Any

import altair as alt
import polars as pl

from analysis.compare import best_at_learning_rates
from analysis.figures.style import (
    NothingToDrawError,
    Scales,
    data,
    extent,
    family_scales,
    log_ticks,
    panel_title,
    styled,
    titled,
)
from analysis.names import family_name
from analysis.rows import PANEL_LINES, Rows, spread_over

PANELS = 6  # of a figure; the tables have all tasks


def response_chart(rows: Rows) -> Any:
    """Dev accuracy (%) by learning rate: the best trial at each, a line per model, a panel per task, the chosen marked.

    Raises NothingToDrawError when no model was tried at two learning rates.
    """
    best = best_at_learning_rates(rows)
    if best.is_empty():
        raise NothingToDrawError("no model was tried at two learning rates")
    shown = best.with_columns(
        percent=pl.col("dev_top1") * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
        start=pl.when("pretrained").then(pl.lit("pre-trained")).otherwise(pl.lit("from scratch")),
    )
    scales = family_scales(shown["family"])
    tasks = shown["task"].unique().sort().to_list()[:PANELS]
    panels = [_response_panel(spread_over(shown.filter(task=task), "exaflops_valid"), scales) for task in tasks]
    crowded = (shown.group_by("task").agg(pl.col("run_id").n_unique())["run_id"] > PANEL_LINES).any()
    thin = " A selection of the models." if crowded else ""
    dashed = "" if shown["pretrained"].all() else " Dashed: from scratch."
    title = titled(
        "Response to the learning rate",
        f"Best trial at each learning rate, on the dev split. Large marks: chosen.{dashed}{thin}",
    )
    return styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _response_panel(shown: pl.DataFrame, scales: Scales) -> Any:
    about = pl.format("{}: {} % at learning rate {}", "label", pl.col("percent").round(2), "base_lr")
    records = shown.sort("run_id", "base_lr").with_columns(about=about)
    low, high = extent(records["base_lr"])
    ticks = sorted(set(records["base_lr"]))
    learning_rate = alt.X("base_lr:Q", title="learning rate").scale(
        type="log", domain=[low / 1.15, high * 1.15], nice=False
    )
    learning_rate = learning_rate.axis(
        values=ticks if len(ticks) <= 6 else log_ticks(low, high), format="~g", grid=False
    )
    accuracy = alt.Y("percent:Q", title="dev accuracy (%)").scale(zero=False)
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    columns = ["run_id", "base_lr", "percent", "shown", "about", "chosen", "start"]
    base = alt.Chart(data(records.select(columns).to_dicts())).encode(x=learning_rate, y=accuracy, color=colour)
    line = base.mark_line(strokeWidth=1.4, opacity=0.7, aria=False).encode(
        detail="run_id:N",
        strokeDash=alt.StrokeDash("start:N", legend=None).scale(
            domain=["pre-trained", "from scratch"], range=[[1, 0], [4, 3]]
        ),
    )
    points = base.mark_point(filled=True, opacity=1).encode(
        shape=alt.Shape("shown:N", title=None, scale=scales[1]),
        size=alt.condition("datum.chosen", alt.value(110), alt.value(18)),
        tooltip="about:N",
        description="about:N",
    )
    return (line + points).properties(width=300, height=240, title=panel_title(shown["task"][0]))

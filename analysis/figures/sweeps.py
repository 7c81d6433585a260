"""How the accuracy on the dev split responds to the learning rate."""

from typing import Any

import altair as alt
import polars as pl

from analysis.compare import best_at_learning_rates
from analysis.figures import style
from analysis.figures.end_labels import HEIGHT, NAMED_LINES, end_labels
from analysis.names import FAMILIES, family_name
from analysis.rows import Rows, spread_over

TASKS = 6  # of a figure; the tables have all
FADED = 0.45  # opacity of the line of the model with least compute; that with most is opaque


def response_chart(rows: Rows) -> Any:
    """Dev accuracy (%) by learning rate: the best trial at each, a row of panels per task, a panel per family.

    A line is a model, named at its end, and darker the more compute it took; the chosen learning rate is marked. Raises
    NothingToDrawError when no model was tried at two learning rates.
    """
    best = best_at_learning_rates(rows)
    if best.is_empty():
        raise style.NothingToDrawError("no model was tried at two learning rates")
    shown = best.with_columns(
        percent=pl.col("dev_top1") * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
        start=pl.when("pretrained").then(pl.lit("pre-trained")).otherwise(pl.lit("from scratch")),
        about=pl.format("{}: {} % at learning rate {}", "label", (pl.col("dev_top1") * 100).round(2), "base_lr"),
    )
    tasks = shown["task"].unique().sort().to_list()[:TASKS]
    drawn = [_task_row(shown.filter(task=task)) for task in tasks]
    count = shown.group_by("task", "family").agg(pl.col("run_id").n_unique())["run_id"]
    thin = f" {NAMED_LINES} models of a panel, spread over compute." if (count > NAMED_LINES).any() else ""
    dashed = "" if shown["pretrained"].all() else " Dashed: from scratch."
    note = f"Best trial at each learning rate, on the dev split. Large marks: chosen.{dashed}{thin}"
    return style.styled(alt.vconcat(*drawn, spacing=style.SPACING), style.titled("Response to the learning rate", note))


def _task_row(shown: pl.DataFrame) -> Any:
    """The panels of a task, in rows of three; all have the same axes, so that families can be compared."""
    rates, percents = style.extent(shown["base_lr"]), style.extent(shown["percent"])
    margin = max(0.05 * (percents[1] - percents[0]), 0.5)
    ticks = sorted(set(shown["base_lr"]))
    ticks = ticks if len(ticks) <= 4 else style.log_ticks(*rates)[:: 1 if rates[1] / rates[0] < 30 else 2] or ticks[:1]
    domain = [percents[0] - margin, percents[1] + margin]
    x = alt.X("base_lr:Q", title="learning rate").scale(
        type="log", domain=[rates[0] / 1.15, rates[1] * 1.15], nice=False
    )
    x = x.axis(values=ticks, format="~g", grid=False)
    present = set(shown["family"])
    families = [family for family in FAMILIES if family in present] + sorted(present - set(FAMILIES))
    parts = [spread_over(shown.filter(family=family), "exaflops_valid", NAMED_LINES) for family in families]
    panels = [_response_panel(part, x, domain, families) for part in parts]
    return alt.concat(*panels, columns=2 if len(panels) == 4 else min(len(panels), 3), spacing=24)


def _response_panel(shown: pl.DataFrame, x: alt.X, domain: list[float], families: list[str]) -> Any:
    place = pl.col("exaflops_valid").rank("dense")
    share = pl.when(place.max() > 1).then((place - 1) / (place.max() - 1)).otherwise(1.0)
    shaded = shown.with_columns(opacity=FADED + (1 - FADED) * share).sort("run_id", "base_lr")
    accuracy = alt.Y("percent:Q", title="dev accuracy (%)").scale(domain=domain, nice=False, zero=False)
    scales = style.family_scales(families)
    colour = alt.Color("shown:N", title=None, scale=scales[0], legend=None)
    columns = ["run_id", "base_lr", "percent", "shown", "about", "chosen", "start", "opacity"]
    base = alt.Chart(style.data(shaded.select(columns).to_dicts())).encode(
        x=x, y=accuracy, color=colour, opacity=alt.Opacity("opacity:Q", scale=None)
    )
    line = base.mark_line(strokeWidth=1.6, aria=False).encode(
        detail="run_id:N",
        strokeDash=alt.StrokeDash("start:N", legend=None).scale(
            domain=["pre-trained", "from scratch"], range=[[1, 0], [4, 3]]
        ),
    )
    points = base.mark_point(filled=True).encode(
        shape=alt.Shape("shown:N", title=None, scale=scales[1], legend=None),
        size=alt.condition("datum.chosen", alt.value(110), alt.value(18)),
        tooltip="about:N",
        description="about:N",
    )
    last = shaded.with_columns(name="label").group_by("run_id", "name", "family", maintain_order=True).last()
    names = end_labels(last, "base_lr", "percent", domain)
    title = style.panel_title(f"{shown['task'][0]}: {shown['shown'][0]}")
    return (line + points + names).properties(width=150, height=HEIGHT, title=title)

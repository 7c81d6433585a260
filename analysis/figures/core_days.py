"""Where the core time went, by kind of work."""

from typing import Any

import altair as alt
import polars as pl

from analysis.accounting import TIME_PARTS
from analysis.figures import style
from analysis.names import WORK, core_unit


def core_days_chart(by_kind: pl.DataFrame) -> Any:
    """Core time used by kind of work, split into productive training and the rest.

    `by_kind` is `core_time_by_kind`'s frame. Each device has a panel of its own, since core time of different chips is
    not comparable. Raises NothingToDrawError without rows.
    """
    if by_kind.is_empty():
        raise style.NothingToDrawError("no attempts to draw")
    panels = [_bar_panel(part) for _, part in by_kind.group_by("device", maintain_order=True)]
    title = style.titled("Where the core time went", "Core time used by all attempts, by kind of work.")
    return style.styled(alt.vconcat(*panels, spacing=24), title)


def _bar_panel(by_kind: pl.DataFrame) -> Any:
    size, unit = core_unit(style.extent(by_kind["core_seconds"])[1], by_kind["device"][0])
    long = by_kind.unpivot(list(TIME_PARTS), index=["device", "kind"], variable_name="column", value_name="seconds")
    long = long.with_columns(
        kind=pl.col("kind").replace(WORK),
        amount=pl.col("seconds") / size,
        part=pl.col("column").replace_strict(TIME_PARTS),
        order=pl.col("column").replace_strict({name: i for i, name in enumerate(TIME_PARTS)}),
    ).with_columns(about=pl.format("{}, {}: {} " + unit, "kind", "part", pl.col("amount").round(3)))
    parts, kinds = list(TIME_PARTS.values()), long["kind"].unique(maintain_order=True).to_list()
    colour = alt.Color("part:N", title=None).scale(domain=parts, range=list(style.PART_COLOURS.values()))
    return (
        alt.Chart(style.data(long.to_dicts()))
        .mark_bar(stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X("amount:Q", title=f"{unit} used").axis(tickCount=6),
            y=alt.Y("kind:N", title=None, sort=kinds).axis(grid=False),
            color=colour.legend(columns=3, orient="top"),
            order="order:Q",
            tooltip="about:N",
            description="about:N",
        )
        .properties(width=560, height=alt.Step(30), title=style.panel_title(f"device: {long['device'][0]}"))
    )

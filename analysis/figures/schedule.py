"""Learning rates over trainings."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.end_labels import HEIGHT


def schedule_chart(rates: pl.DataFrame) -> Any:
    """Learning rate by the share of the steps, one line per training, one panel per stage.

    `rates` has stage, name, share, lr. Raises NothingToDrawError when there are none.
    """
    if rates.is_empty():
        raise style.NothingToDrawError("no training whose learning rate could be drawn")
    panels = [_panel(part) for _, part in rates.group_by("stage", maintain_order=True)]
    title = style.titled("Learning rates", "Each line is one training; of a task the highest rate of its grid.")
    return style.styled(style.in_rows(panels).resolve_scale(color="independent"), title)


def _panel(rates: pl.DataFrame) -> Any:
    names = rates["name"].unique(maintain_order=True).to_list()
    domain = [0.0, max(style.extent(rates["lr"])[1] * 1.05, 1e-12)]
    share = alt.X("share:Q", title="share of the steps").axis(format="%", values=[0, 0.5, 1], grid=False)
    lr = alt.Y("lr:Q", title="learning rate").scale(domain=domain, nice=False).axis(format="~g", tickCount=5)
    records = rates.select("name", "share", pl.col("lr").round_sig_figs(4)).to_dicts()
    # a legend: most lines end together at the bottom, where names beside them would not tell which is which
    scale, legend = alt.Scale(domain=names, scheme="category10"), alt.Legend(orient="right", columns=1)
    colour = alt.Color("name:N", title=None, scale=scale, legend=legend)
    lines = alt.Chart(style.data(records)).mark_line(strokeWidth=1.6)
    drawn = lines.encode(x=share, y=lr, color=colour, tooltip="name:N", description="name:N")
    return drawn.properties(width=260, height=HEIGHT, title=style.panel_title(rates["stage"][0]))

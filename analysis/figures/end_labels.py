"""Names at the right end of lines, instead of a legend."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import label_placement as labels
from analysis.figures import style

HEIGHT = 260  # px, of a panel whose lines are named


NAMED_LINES = 20  # of a panel, as many as its height holds; of more, none is named


def end_labels(last: pl.DataFrame, x: str, y: str, domain: list[float], log: bool = False) -> Any:
    """Names to the right of the ends of lines, moved apart where they would overlap; none if there are too many lines.

    `last` has the last point of each line (columns `x`, `y`, name, family), `domain` is the range of the y axis, which
    is logarithmic with `log`.
    """
    last = last if last.height <= NAMED_LINES else last.clear()
    if last.is_empty():
        return style.texts([], align="left", dx=7, limit=150)
    # places along the axis, in pixels, where text has its height
    scaled, bounds = (last[y].log(), pl.Series(domain).log()) if log else (last[y], pl.Series(domain))
    low, high = bounds
    places = [(high - value) / (high - low) * HEIGHT for value in scaled]
    moved = pl.Series([high - place / HEIGHT * (high - low) for place in labels.spread(places, 12.5, HEIGHT - 8)])
    ends = last.select(
        x=pl.lit(last[x].max()),
        y=moved.exp() if log else moved,
        text="name",
        colour=pl.col("family").map_elements(style.text_colour, return_dtype=pl.String),
        from_x=x,
        from_y=y,
    )
    short = ends.filter(pl.col("from_x") < pl.col("x"))  # a thin line leads from shorter lines to their names
    leaders = alt.Chart(style.data(short.to_dicts())).mark_rule(strokeDash=[1, 3], aria=False)
    lead = leaders.encode(x="from_x:Q", y="from_y:Q", x2="x:Q", y2="y:Q", color=alt.Color("colour:N", scale=None))
    return lead + style.texts(ends.to_dicts(), align="left", dx=7, limit=150)

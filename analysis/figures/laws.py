"""Error against pre-training compute, with the law of each family."""

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from analysis.figures.style import NothingToDrawError, data, extent, family_scales, log_ticks, styled, titled
from analysis.laws import EXTRAPOLATED, FamilyLaw, Fit, fitted_laws, predict
from analysis.names import family_name, flops_unit
from analysis.rows import PANEL_LINES, spread_over

LOG = 8.0  # ratio of the largest error to the smallest above which the y axis is logarithmic
PLACES = 40  # points of a drawn law
MARKS = 150  # points of a family


def laws_chart(laws: list[FamilyLaw]) -> Any:
    """Error (%) by pre-training compute with each family's law: its interval as a band, dashed where it extrapolates.

    Raises NothingToDrawError when no family has a law.
    """
    drawn = fitted_laws(laws)
    if not drawn:
        raise NothingToDrawError("no family has enough points for a law")
    size, unit = flops_unit(pl.concat([law.points["compute"] for law, _ in drawn]))
    scales = family_scales([law.family for law, _ in drawn])
    points = pl.concat([spread_over(law.points, "compute", MARKS) for law, _ in drawn])
    marks = points.select(
        compute=pl.col("compute") / size,
        percent=pl.col("error") * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
    ).filter(pl.col("percent") > 0)
    lines = pl.DataFrame([row for law, answer in drawn for row in _line(law.family, answer, size)])
    low, high = extent(lines["compute"])
    least, most = extent(pl.concat([marks["percent"], lines["percent"]]))
    log, y = most / least > LOG, (least / 1.1, most * 1.1)
    compute = alt.X("compute:Q", title=f"pre-training compute ({unit})")
    compute = compute.scale(type="log", domain=[low / 1.1, high], nice=False).axis(
        values=log_ticks(low, high), format=",~g", grid=False
    )
    error = alt.Y("percent:Q", title="error (%)")
    # clamp: a band is cut at the axis, instead of drawn over the title
    error = error.scale(type="log" if log else "linear", domain=y, nice=False, clamp=True, zero=False)
    error = error.axis(values=log_ticks(*y), format="~g") if log else error
    colour = alt.Color("shown:N", title=None, scale=scales[0]).legend(symbolOpacity=1)
    base = alt.Chart(data(lines.to_dicts())).encode(x=compute, color=colour)
    about = {"tooltip": "about:N", "description": "about:N"}
    described = marks.with_columns(about=pl.format("{}: {} % error", "shown", pl.col("percent").round(2)))
    layers = [
        base.mark_area(opacity=0.15, aria=False).encode(y=alt.Y("least:Q").title("error (%)"), y2="most:Q"),
        alt.Chart(data(described.to_dicts()))
        .mark_point(filled=True, size=46 if marks.height <= 2 * PANEL_LINES else 14, opacity=0.8)
        .encode(x=compute, y=error, color=colour, shape=alt.Shape("shown:N", title=None, scale=scales[1]), **about),
        base.mark_line(strokeWidth=1.8, aria=False).encode(
            y=error,
            detail="part:N",
            strokeDash=alt.StrokeDash("part:N", legend=None).scale(
                domain=["fitted", "extrapolated"], range=[[1, 0], [5, 4]]
            ),
        ),
    ]
    title = titled("Error by pre-training compute, and its law", "Band: the law's interval. Dashed: beyond the points.")
    return styled(alt.layer(*layers).properties(width=520, height=300), title)


def _line(family: str, law: Fit, size: float) -> list[dict[str, Any]]:
    """The law over the fitted range of compute and beyond it; `size` is the exaFLOPs of one unit of the x axis."""
    _, low, high = law.ranges[0]
    parts = (
        ("fitted", np.geomspace(low, high, PLACES)),
        ("extrapolated", np.geomspace(high, high * EXTRAPOLATED, PLACES // 4)),
    )
    return [
        {
            "shown": family_name(family),
            "part": part,
            "compute": prediction.at[0][1] / size,
            "percent": prediction.value * 100,
            "least": max(prediction.interval[0], prediction.value / 5) * 100,  # an unbounded interval is cut off
            "most": min(prediction.interval[1], prediction.value * 5) * 100,
        }
        for part, places in parts
        for prediction in predict(law, [[float(place)] for place in places])
    ]

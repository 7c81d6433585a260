"""What evaluations measured, against pre-training compute."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.end_labels import HEIGHT
from analysis.names import family_name, figure, flops_unit
from analysis.rows import thin_panels

WIDTH = 340  # px, of one of two panels


def evaluations_chart(means: pl.DataFrame) -> Any:
    """Each number of an evaluation by pre-training compute (log): one panel per number, one line per family.

    `means` is `analysis.rows.metric_means`' frame, of which the headline numbers of pre-trained models are drawn.
    Raises NothingToDrawError when there are none.
    """
    known = means.filter(pl.col("headline") & (pl.col("exaflops_valid") > 0) & pl.col("mean").is_finite())
    if known.is_empty():
        raise style.NothingToDrawError("no evaluation of a pre-trained model to draw")
    size, unit = flops_unit(known["exaflops_valid"])
    known, note_of_some = thin_panels(known.sort("label", "exaflops_valid", "name"), "label")
    scale = pl.when("in_percent").then(100.0).otherwise(1.0)
    shown = known.with_columns(
        compute=pl.col("exaflops_valid") / size,
        y=pl.col("mean") * scale,
        spread=pl.col("std").fill_null(0.0) * scale,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
    ).with_columns(low=pl.col("y") - pl.col("spread"), high=pl.col("y") + pl.col("spread"))
    low, high = style.extent(shown["compute"])
    margin = max((high / low) ** 0.1, 1.25)
    x = alt.X("compute:Q", title=f"pre-training compute ({unit})").scale(
        type="log", domain=[low / margin, high * margin], nice=False
    )
    x = x.axis(values=style.log_ticks(low / margin, high * margin), format=",~g", grid=False)
    scales = style.family_scales(shown["family"])
    parts = [part for _, part in shown.group_by("label", maintain_order=True)]
    widths = style.panel_widths(len(parts), WIDTH)
    panels = [_panel(part, x, scales, width) for part, width in zip(parts, widths, strict=True)]
    bars = " Bars: ± one standard deviation over seeds." if shown["std"].count() else ""
    title = style.titled("Evaluations by pre-training compute", f"One point per model.{bars}{note_of_some}")
    return style.styled(style.in_rows(panels), title)


def _panel(part: pl.DataFrame, x: alt.X, scales: style.Scales, width: int) -> Any:
    ends = style.extent(part["low"])[0], style.extent(part["high"])[1]
    margin = max((ends[1] - ends[0]) * 0.08, abs(ends[1]) * 0.01, 1e-9)
    percent = bool(part["in_percent"][0])
    unit = "%" if percent else "value"
    y = alt.Y("y:Q", title=unit).scale(domain=[ends[0] - margin, ends[1] + margin], nice=False, zero=False)
    records = part.to_dicts()
    for row in records:
        row["about"] = f"{row['name']}: {figure(row['y'])}{' %' if percent else ''}"
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    base = alt.Chart(style.data(records)).encode(x=x, color=colour)
    layers = [
        base.mark_line(strokeWidth=1.8, opacity=0.8, aria=False).encode(y=y),
        base.mark_rule(strokeWidth=1.5, aria=False).encode(y=alt.Y("low:Q").title(unit), y2="high:Q"),
        base.mark_point(filled=True, size=58, opacity=1).encode(
            y=y, shape=alt.Shape("shown:N", title=None, scale=scales[1]), tooltip="about:N", description="about:N"
        ),
    ]
    return alt.layer(*layers).properties(width=width, height=HEIGHT, title=style.panel_title(part["label"][0]))

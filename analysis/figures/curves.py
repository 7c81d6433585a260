"""Training loss during pre-training, by images seen."""

from typing import Any

import altair as alt
import polars as pl

from analysis.figures import style
from analysis.figures.end_labels import HEIGHT, NAMED_LINES, end_labels
from analysis.names import FAMILIES, family_name
from analysis.rows import thin_panels

POINTS = 60  # of a drawn curve, each the mean of neighbouring steps


def curves_chart(curve: pl.DataFrame) -> Any:
    """Training loss by images seen: one line per run, one panel per family; log scale where the loss falls tenfold.

    `curve` are rows of table curve. Raises NothingToDrawError when there is no finite loss.
    """
    known = curve.filter(pl.col("train_loss").is_finite() & pl.col("images").is_not_null())
    if known.is_empty():
        raise style.NothingToDrawError("no training loss to draw")
    known, note_of_some = thin_panels(known, "family")
    shown = _smooth(known)
    low, high = style.extent(shown["train_loss"])
    log = low > 0 and high / low > 10
    families = [family for family in FAMILIES if family in set(shown["family"])]
    families += sorted(set(shown["family"]) - set(families))
    margin = max(0.04 * (high - low), 0.01 * abs(high), 1e-6)  # the renderer ends the process at an axis of no width
    domain = [low / 1.1, high * 1.1] if log else [low - margin, high + margin]
    panels = [_curve_panel(shown.filter(pl.col("family") == family), domain, log, families) for family in families]
    note = f"Each line is one run, smoothed over neighbouring steps.{note_of_some}"
    title = style.titled("Training loss during pre-training", note)
    # four families in rows of two: none is alone beside empty columns
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    return style.styled(alt.concat(*panels, columns=columns, spacing=24), title)


def _smooth(curve: pl.DataFrame) -> pl.DataFrame:
    """At most `POINTS` points of each run, each the mean over an equal share of its rows."""
    place = pl.int_range(pl.len()).over("run_id") * POINTS // pl.len().over("run_id")
    binned = curve.sort("run_id", "step").with_columns(
        bin=pl.when(pl.len().over("run_id") > POINTS).then(place).otherwise("step")
    )
    means = binned.group_by("run_id", "name", "family", "bin").agg(pl.col("images", "train_loss").mean())
    return means.sort("family", "name", "run_id", "images")


def _curve_panel(shown: pl.DataFrame, domain: list[float], log: bool, families: list[str]) -> Any:
    family = shown["family"][0]
    colours, _ = style.family_scales(families)
    loss = alt.Y("train_loss:Q", title="training loss" if family == families[0] else None).scale(
        type="log" if log else "linear", domain=domain, nice=False
    )
    if log:
        loss = loss.axis(values=style.log_ticks(*domain), format="~g")
    images = alt.X("images:Q", title="images seen").axis(
        format="~s", tickCount=3, grid=False, labelExpr="datum.value == 0 ? '0' : datum.label"
    )
    # more digits make the file larger and change no pixel
    drawn_columns: list[Any] = ["run_id", "name", "images", pl.col("train_loss").round_sig_figs(4)]
    records = shown.select(*drawn_columns, shown=pl.lit(family_name(family))).to_dicts()
    many = shown["run_id"].n_unique() > NAMED_LINES  # translucent lines are darkest where most of them are
    lines = alt.Chart(style.data(records)).mark_line(strokeWidth=1 if many else 1.6, opacity=0.35 if many else 1)
    colour = alt.Color("shown:N", title=None, scale=colours, legend=None)
    drawn = lines.encode(x=images, y=loss, color=colour, detail="run_id:N", tooltip="name:N", description="name:N")
    last = shown.group_by("run_id", "name", "family", maintain_order=True).last()
    names = end_labels(last, "images", "train_loss", domain, log)
    return (drawn + names).properties(width=150, height=HEIGHT, title=style.panel_title(family_name(family)))

"""Figures of lines and bars: loss by images seen, accuracy by shots, and where the core-days went. Frame -> chart."""

from typing import Any

import altair as alt
import polars as pl

from analysis.accounting import TIME_PARTS
from analysis.figures import label_placement as labels
from analysis.figures import style
from analysis.names import FAMILIES, WORK, core_unit, family_name
from analysis.rows import PANEL_LINES, fewshot_means, spread_over

POINTS = 60  # of one drawn curve: the mean of the steps around each
HEIGHT = 260  # px
NAMES = 14  # beside a panel


def curves_chart(curve: pl.DataFrame) -> Any:
    """Training loss by images seen, one line a run, a panel a family; log scale where the loss falls tenfold.

    Raises `style.NothingToDrawError` when there is no finite loss to draw.
    """
    known = curve.filter(pl.col("train_loss").is_finite() & pl.col("images").is_not_null())
    if known.is_empty():
        raise style.NothingToDrawError("no training loss to draw")
    known, some = _selection(known, "family")
    shown = _smooth(known)
    low, high = style.extent(shown["train_loss"])
    log = low > 0 and high / low > 10
    families = [family for family in FAMILIES if family in set(shown["family"])]
    families += sorted(set(shown["family"]) - set(families))
    domain = (
        [low / 1.1, high * 1.1] if log else [min(low - 0.04 * (high - low), low), high + 0.04 * (high - low) + 1e-9]
    )
    panels = [_curve_panel(shown.filter(pl.col("family") == family), domain, log, families) for family in families]
    note = f"Each line is one run, smoothed over neighbouring steps.{some}"
    title = style.titled("Training loss during pre-training", note)
    return style.styled(alt.concat(*panels, columns=min(len(panels), 3), spacing=24), title)


def _selection(frame: pl.DataFrame, panel: str) -> tuple[pl.DataFrame, str]:
    """Of each panel a number of runs that can be drawn, by their names, and what the figure says of it."""
    parts = [part for _, part in frame.group_by(panel, maintain_order=True)]
    fewer = [spread_over(part, "name") for part in parts]
    left_out = any(part.height < whole.height for part, whole in zip(fewer, parts, strict=True))
    return pl.concat(fewer), f" {PANEL_LINES} runs of each panel." if left_out else ""


def _smooth(curve: pl.DataFrame) -> pl.DataFrame:
    """At most `POINTS` means of each run, of equal shares of its steps."""
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
    drawn_columns: list[Any] = ["run_id", "name", "images", pl.col("train_loss").round_sig_figs(4)]
    records = shown.select(*drawn_columns, shown=pl.lit(family_name(family))).to_dicts()
    many = shown["run_id"].n_unique() > NAMES  # then where most of them run is darkest
    lines = alt.Chart(style.data(records)).mark_line(strokeWidth=1 if many else 1.6, opacity=0.35 if many else 1)
    colour = alt.Color("shown:N", title=None, scale=colours, legend=None)
    drawn = lines.encode(x=images, y=loss, color=colour, detail="run_id:N", tooltip="name:N", description="name:N")
    last = shown.group_by("run_id", "name", "family", maintain_order=True).last()
    names = end_labels(last, "images", "train_loss", domain, log)
    return (drawn + names).properties(width=150, height=HEIGHT, title=style.panel_title(family_name(family)))


def end_labels(last: pl.DataFrame, x: str, y: str, domain: list[float], log: bool = False) -> Any:
    """Names to the right of the lines' ends, moved apart where they would overlap; none of very many."""
    last = last if last.height <= NAMES else last.clear()
    if last.is_empty():
        return style.texts([], align="left", dx=7, limit=150)
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
    short = ends.filter(pl.col("from_x") < pl.col("x"))  # than the longest: a thin line leads to the name
    leaders = alt.Chart(style.data(short.to_dicts())).mark_rule(strokeDash=[1, 3], aria=False)
    lead = leaders.encode(x="from_x:Q", y="from_y:Q", x2="x:Q", y2="y:Q", color=alt.Color("colour:N", scale=None))
    return lead + style.texts(ends.to_dicts(), align="left", dx=7, limit=150)


# --- few shots -----------------------------------------------------------------------------------------------------


def fewshot_chart(fewshot: pl.DataFrame) -> Any:
    """Accuracy of a linear few-shot classifier by training images a class, mean over seeds, a panel a data set.

    Raises `style.NothingToDrawError` when there are no rows.
    """
    means = fewshot_means(fewshot)
    if means.is_empty():
        raise style.NothingToDrawError("no few-shot rows to draw")
    scales = style.family_scales(means["family"])
    means, some = _selection(means, "dataset")
    panels = [_fewshot_panel(part, scales) for _, part in means.group_by("dataset", maintain_order=True)]
    note = f"Linear classifier on frozen features, mean over seeds.{some}"
    title = style.titled("Few-shot accuracy of frozen features", note)
    return style.styled(alt.concat(*panels, columns=min(len(panels), 2), spacing=28), title)


def _fewshot_panel(means: pl.DataFrame, scales: style.Scales) -> Any:
    shown = means.with_columns(
        percent=pl.col("top1_mean") * 100,
        shown=pl.col("family").map_elements(family_name, return_dtype=pl.String),
        about=pl.format("{}: {} % at {} a class", "name", (pl.col("top1_mean") * 100).round(2), "shots"),
    )
    low, high = style.extent(shown["percent"])
    domain = [low - max(0.05 * (high - low), 0.5), high + max(0.05 * (high - low), 0.5)]
    ticks = sorted(set(shown["shots"]))
    shots = alt.X("shots:Q", title="training images a class").scale(
        type="log", domain=[ticks[0], max(ticks[-1], 2)], nice=False
    )
    accuracy = alt.Y("percent:Q", title="accuracy (%)").scale(domain=domain, nice=False, zero=False)
    colour = alt.Color("shown:N", title=None, scale=scales[0])
    base = alt.Chart(style.data(shown.to_dicts())).encode(
        x=shots.axis(values=ticks, format="d", grid=False), y=accuracy, color=colour, detail="run_id:N"
    )
    points = base.mark_point(filled=True, size=48, opacity=1).encode(
        shape=alt.Shape("shown:N", title=None, scale=scales[1]), tooltip="about:N", description="about:N"
    )
    last = shown.group_by("run_id", "name", "family", maintain_order=True).last()
    names = end_labels(last, "shots", "percent", domain)
    drawn = base.mark_line(strokeWidth=1.6, opacity=0.8, aria=False) + points + names
    return drawn.properties(width=270, height=HEIGHT, title=style.panel_title(shown["dataset"][0]))


# --- core-days -----------------------------------------------------------------------------------------------------


def core_days_chart(by_kind: pl.DataFrame) -> Any:
    """Occupied core time by kind of work, split into what was productive and what was not: `core_days.by_kind`'s frame.

    A panel a device: core time of different chips is not comparable. Raises `style.NothingToDrawError` without rows.
    """
    if by_kind.is_empty():
        raise style.NothingToDrawError("no attempts to draw")
    panels = [_bar_panel(part) for _, part in by_kind.group_by("device", maintain_order=True)]
    title = style.titled("Where the core time went", "Occupied time of all attempts, by kind of work.")
    return style.styled(alt.vconcat(*panels, spacing=24), title)


def _bar_panel(by_kind: pl.DataFrame) -> Any:
    size, unit = core_unit(style.extent(by_kind["core_seconds"])[1])
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
            x=alt.X("amount:Q", title=f"occupied {unit}").axis(tickCount=6),
            y=alt.Y("kind:N", title=None, sort=kinds).axis(grid=False),
            color=colour.legend(columns=3, orient="top"),
            order="order:Q",
            tooltip="about:N",
            description="about:N",
        )
        .properties(width=560, height=alt.Step(30), title=style.panel_title(f"device: {long['device'][0]}"))
    )

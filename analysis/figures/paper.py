"""The ViT paper's figures from rows: 2 and 3, 4, 5, 8, 9 and 13. Those of inspections: `analysis.figures.inspection`.

What a run is (its model, optimizer, data) is read from its spec and its columns, never from its name.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl

from analysis.compare import (
    SHAPE_FIELDS,
    VTAB_GROUPS,
    VTAB_MEAN,
    fewshot_accuracies,
    frontier,
    paper_runs,
    vtab_scores,
    vtab_top1,
)
from analysis.figures import accuracy as figures
from analysis.figures import style
from analysis.figures.label_placement import CHARACTER
from analysis.rows import Rows, accuracies, shown_task, spread_over, tasks_of, with_run_names

SHOWN = {"depth": "depth", "width": "width", "mlp_dim": "MLP width", "patch_size": "patch size", "all": "all"}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", style.INK, style.GREY)
MARKERS = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
MOST = 16  # lines of a panel with a legend
WIDTH, ALONE = 300, 450  # px, of one panel of two beside each other, and of one that stands alone


def paper_charts(rows: Rows) -> dict[str, tuple[Any, str]]:
    """The figures that the rows are enough for: name -> (altair chart, what it shows)."""
    made: dict[str, tuple[Callable[[Rows], Any], str]] = {
        "figure2": (vtab_chart, "VTAB-1k: the mean of its tasks and of its three groups (Figure 2)."),
        "figure3": (datasets_chart, "Accuracy after pre-training on each data set (Figure 3)."),
        "figure4": (samples_chart, "Few-shot accuracy by images of pre-training (Figure 4)."),
        "figure5": (
            lambda given: figures.frontier_chart(frontier(accuracies(given))),
            "Accuracy by compute (Figure 5).",
        ),
        "figure8": (shapes_chart, "What each dimension of the Transformer is worth (Figure 8)."),
        "figure9": (progress_chart, "Few-shot accuracy in the course of pre-training (Figure 9)."),
        "figure13": (axial_chart, "Axial models beside their counterparts (Figure 13)."),
    }
    drawn = {}
    for name, (draw, caption) in made.items():
        with suppress(style.NothingToDrawError):
            drawn[name] = (draw(rows), caption)
    return drawn


# --- Figure 2 ----------------------------------------------------------------------------------------------------


def vtab_chart(rows: Rows) -> Any:
    """Mean accuracy over VTAB's 19 tasks and over each group, a bar a model, a panel a mean."""
    try:
        ours = vtab_scores(vtab_top1(rows))
    except ValueError as error:
        raise style.NothingToDrawError(str(error)) from None
    long = ours.unpivot([VTAB_MEAN, *VTAB_GROUPS], index="model", variable_name="group", value_name="top1")
    return groups_chart(long.drop_nulls("top1"))


def groups_chart(means: pl.DataFrame) -> Any:
    """Bars of `model`, `group`, `top1` (fraction), from 0; panels in the order of the groups' first rows."""
    if means.is_empty():
        raise style.NothingToDrawError("no model has all tasks of a group")
    models = means["model"].unique(maintain_order=True).to_list()
    panels = []
    for place, part in enumerate(means.partition_by("group", maintain_order=True)):
        shown = part.with_columns(
            percent=pl.col("top1") * 100, text=pl.format("{}", (pl.col("top1") * 100).round(1))
        ).with_columns(about=pl.format("{}: {} %", "model", "text"))
        x = alt.X("percent:Q", title="accuracy (%)").scale(domain=[0, 112], nice=False)
        base = alt.Chart(style.data(shown.select("model", "percent", "text", "about").to_dicts())).encode(
            y=alt.Y("model:N", title=None, sort=models).axis(grid=False, labels=place % 2 == 0, ticks=False),
            x=x.axis(values=[0, 25, 50, 75, 100]),
        )
        bars = base.mark_bar(color="#0072B2").encode(tooltip="about:N", description="about:N")
        words = base.mark_text(align="left", dx=4, fontSize=style.LABEL_SIZE, aria=False).encode(text="text:N")
        name = "mean of 19 tasks" if part["group"][0] == VTAB_MEAN else part["group"][0]
        panels.append((bars + words).properties(width=230, height=alt.Step(24), title=style.panel_title(name)))
    title = style.titled("VTAB-1k by group of tasks", "Test accuracy, mean over tasks and seeds.")
    return style.styled(alt.concat(*panels, columns=2, spacing=24), title)


# --- lines over something ----------------------------------------------------------------------------------------


def _panel(
    shown: pl.DataFrame, x: alt.X, lines: list[str], title: str, band: pl.DataFrame | None = None, across: int = 1
) -> Any:
    """Lines of `percent` over `x`, one a `line`, each with its own colour and marker in the order of `lines`.

    Runs (`run_id`, where there is one) of one `line` are lines of their own. The legend is `across` panels wide.
    """
    band = shown.clear() if band is None else band
    low, high = style.extent(pl.concat([shown["percent"], *(band[end] for end in ("low", "high") if end in band)]))
    margin = max((high - low) * 0.06, 0.5)
    y = alt.Y("percent:Q", title="accuracy (%)").scale(domain=[low - margin, high + margin], nice=False, zero=False)
    width = WIDTH if across > 1 else ALONE
    columns = _legend_columns(lines, across * (width + 50))
    colour = alt.Color("line:N", title=None).scale(domain=lines, range=_cycled(COLOURS, lines))
    shape = alt.Shape("line:N", title=None).scale(domain=lines, range=_shifted(MARKERS, lines))
    colour, shape = colour.legend(columns=columns), shape.legend(columns=columns)
    mine = shown.with_columns(about=pl.format("{}: {} %", "line", pl.col("percent").round(2)))
    base = alt.Chart(style.data(mine.to_dicts())).encode(x=x, y=y, color=colour)
    points = base.mark_point(filled=True, size=58, opacity=1).encode(
        shape=shape, tooltip="about:N", description="about:N"
    )
    runs = {"detail": "run_id:N"} if "run_id" in shown.columns else {}
    drawn = base.mark_line(strokeWidth=1.8, opacity=0.8, aria=False).encode(**runs) + points
    if not band.is_empty():
        ranges = alt.Chart(style.data(band.to_dicts())).mark_bar(width=34, color=style.GREY, opacity=0.25, aria=False)
        drawn = ranges.encode(x=x, y=alt.Y("low:Q", title="accuracy (%)"), y2="high:Q") + drawn
    return drawn.properties(width=width, height=260, title=style.panel_title(title))


def _cycled(values: tuple[str, ...], lines: list[str]) -> list[str]:
    return [values[i % len(values)] for i in range(len(lines))]


def _shifted(values: tuple[str, ...], lines: list[str]) -> list[str]:
    """As `_cycled`, one further in every round: a colour that comes again has another marker."""
    return [values[(i + i // len(values)) % len(values)] for i in range(len(lines))]


def _legend_columns(lines: list[str], width: float) -> int:
    """How many names stand side by side in so many pixels: a legend in one row would make a figure of any width."""
    return max(1, int(width // (max(map(len, lines), default=0) * CHARACTER * 1.15 + 50)))


def _by_task(shown: pl.DataFrame, x: alt.X, title: str, subtitle: str, band: pl.DataFrame | None = None) -> Any:
    lines, tasks = shown["line"].unique(maintain_order=True).to_list(), tasks_of(shown)
    across, panels = min(len(tasks), 2), []
    shown = shown.drop("run_id", strict=False)  # a line is a model's, over its runs
    for task in tasks:
        part = None if band is None else band.filter(pl.col("task") == task)
        panels.append(_panel(shown.filter(pl.col("task") == task), x, lines, shown_task(task), part, across))
    return style.styled(alt.concat(*panels, columns=across, spacing=28), style.titled(title, subtitle))


def _log_axis(column: str, title: str, values: pl.Series) -> alt.X:
    low, high = style.extent(values)
    domain = (low / 1.25, high * 1.25)
    axis = alt.Axis(values=style.log_ticks(*domain), format="~s", grid=False)
    return alt.X(f"{column}:Q", title=title, axis=axis).scale(type="log", domain=domain, nice=False)


def datasets_chart(rows: Rows) -> Any:
    """Accuracy by the data set of pre-training, in order of its size, a line a ViT, the range of all ResNets in grey.

    Of several runs of one model on one set, the one of most compute. Raises NothingToDrawError for a single set.
    """
    facts = paper_runs(rows.pretrain).select("run_id", "model", "samples", "dataset")
    shown = accuracies(rows).filter("pretrained").join(facts, on="run_id").drop_nulls(["dataset", "samples"])
    largest = pl.col("samples").max().over("dataset")  # subsets are Figure 4's
    shown = shown.filter(pl.col("samples") > 0.9 * largest)
    if shown["dataset"].n_unique() < 2:
        raise style.NothingToDrawError("all models are pre-trained on one data set")
    shown = shown.sort("exaflops_valid", descending=True).unique(["model", "dataset", "task"], keep="first")
    order = shown.sort("samples")["dataset"].unique(maintain_order=True).to_list()
    shown = shown.with_columns(percent=pl.col("top1_mean") * 100, line="model").sort("samples", "model")
    resnets = pl.col("family") == "resnet"
    band = (
        shown.filter(resnets).group_by("task", "dataset").agg(low=pl.col("percent").min(), high=pl.col("percent").max())
    )
    others = shown.filter(~resnets)
    if others.is_empty():
        others, band = shown, band.clear()
    words = " Grey: the ResNets' range." if not band.is_empty() else ""
    x = alt.X("dataset:N", title="pre-training set, by size", sort=order).axis(labelAngle=0, grid=False)
    return _by_task(others, x, "What more data of pre-training gives", f"Each line is one model.{words}", band)


def samples_chart(rows: Rows) -> Any:
    """Few-shot accuracy by images of pre-training (log), of models trained on several subsets of one data set.

    Of several runs on about as many images (a tenth of a decade), the one that saw as many as those on the others.
    """
    seen = rows.pretrain.select("run_id", seen="images")
    shown = fewshot_accuracies(rows).drop_nulls(["samples", "dataset"]).join(seen, on="run_id")
    usual = (pl.col("seen") - pl.col("seen").median().over("model", "dataset")).abs()
    shown = shown.with_columns(size=(pl.col("samples").log10() * 10).round()).sort(usual, maintain_order=True)
    shown = shown.unique(["model", "dataset", "task", "size"], keep="first", maintain_order=True)
    shown = shown.filter(pl.col("size").n_unique().over("model", "dataset") > 1)
    if shown.is_empty():
        raise style.NothingToDrawError("no model is pre-trained on several subsets of one data set")
    shown = shown.with_columns(percent=pl.col("top1_mean") * 100, line="model").sort("family", "model", "samples")
    x = _log_axis("samples", "images of pre-training", shown["samples"])
    return _by_task(shown, x, "Few-shot accuracy by images of pre-training", "Frozen features; each line is one model.")


def compute_chart(rows: Rows) -> Any:
    """Accuracy by compute, as in the report."""
    return figures.frontier_chart(frontier(accuracies(rows)))


def axial_chart(rows: Rows) -> Any:
    """Few-shot accuracy by compute, when there are axial models. Speed, Figure 13's right: `costs_chart`."""
    if "axial" not in set(rows.pretrain["family"]):
        raise style.NothingToDrawError("no axial model")
    few = replace(rows, transfer=rows.transfer.clear(), trial=rows.trial.clear())
    return compute_chart(few)


# --- Figure 8 ----------------------------------------------------------------------------------------------------


def shapes(shown: pl.DataFrame) -> pl.DataFrame:
    """Runs of plain ViTs as lines from a common base: adds `line` and `relative` compute; the base is on every line.

    The base is the shape from which most others differ in one dimension. Those that differ in two or three dimensions
    are on no line. No rows when there are not two lines of one dimension.
    """
    plain = shown.filter(pl.col("kind") == "vit").drop_nulls([*SHAPE_FIELDS, "exaflops_valid"])
    models = plain.select("run_id", *SHAPE_FIELDS).unique("run_id", maintain_order=True).sort(*SHAPE_FIELDS)
    found: dict[str, str] = {}
    base: str | None = None
    for one in models.to_dicts():
        lines = {}
        for other in models.to_dicts():
            changed = [name for name in SHAPE_FIELDS if other[name] != one[name]]
            if len(changed) in (1, len(SHAPE_FIELDS)):
                lines[other["run_id"]] = changed[0] if len(changed) == 1 else "all"
        if sum(line != "all" for line in lines.values()) > sum(line != "all" for line in found.values()):
            base, found = one["run_id"], lines
    names = [name for name in SHOWN if name in found.values()]
    if base is None or len(set(names) - {"all"}) < 2:
        return plain.clear().with_columns(line=pl.lit(""), relative=pl.lit(1.0))
    pairs = [*found.items(), *((base, name) for name in names)]
    on = pl.DataFrame(pairs, schema=["run_id", "line"], orient="row")
    compute = pl.col("exaflops_valid").filter(pl.col("run_id") == base).first()
    return (
        plain.with_columns(relative=pl.col("exaflops_valid") / compute).join(on, on="run_id").sort("line", "relative")
    )


def shapes_chart(rows: Rows) -> Any:
    """Few-shot accuracy by compute relative to the base shape, a line a dimension (§D.2)."""
    shown = shapes(fewshot_accuracies(rows))
    if shown.is_empty():
        raise style.NothingToDrawError("no ViTs that differ from one in one dimension")
    shown = shown.with_columns(percent=pl.col("top1_mean") * 100, line=pl.col("line").replace(SHOWN))
    x = _log_axis("relative", "compute, relative to the base", shown["relative"])
    return _by_task(shown, x, "Which dimension is worth its compute", "Few-shot accuracy; the lines meet at the base.")


# --- Figure 9 ----------------------------------------------------------------------------------------------------


def progress_chart(rows: Rows) -> Any:
    """Few-shot accuracy by images seen, a line a run, of runs that were judged so at two steps or more."""
    known = rows.curve.filter(pl.col("fewshot_top1").is_finite())
    known = known.filter(pl.col("step").n_unique().over("run_id") > 1)
    if known.is_empty():
        raise style.NothingToDrawError("no run was judged by few shots on its way")
    named = with_run_names(known, rows.pretrain)
    drawn = spread_over(named, "name", MOST)
    some = f" {MOST} of {named['run_id'].n_unique():,} runs." if drawn.height < named.height else ""
    shown = drawn.sort("run_id", "step").select("run_id", "images", percent=pl.col("fewshot_top1") * 100, line="name")
    lines = sorted(set(shown["line"]))
    x = alt.X("images:Q", title="images seen").axis(format="~s", tickCount=5, grid=False)
    title = style.titled("Few-shot accuracy during pre-training", f"Frozen features; each line is one run.{some}")
    return style.styled(_panel(shown, x, lines, ""), title)

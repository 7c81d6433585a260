"""The scaling laws of a study for its page: error against pre-training compute, a law a family where points allow.

`python -m analysis fit` has every form and option; this is the plain one: E + a C^-b, Huber loss on the log of the
error (Hoffmann et al. 2022), with the check on the largest rungs and the test for lack of fit.
"""

from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from analysis import style
from analysis.fit_text import held_out, lack
from analysis.laws.fit import fit
from analysis.laws.predict import predict
from analysis.laws.values import Constant, Fit, Method, TooFew
from analysis.rows import tasks_of
from analysis.thinning import LINES, spread_over

BEYOND = 4.0  # times the largest compute: how far a law is drawn and predicts
LOG = 8.0  # largest error over smallest, from which on the axis is logarithmic
PLACES = 40  # of the drawn line
METHOD = Method(bootstrap=300, most=2000)  # more samples and models take minutes and change no digit on the page


@dataclass(frozen=True, eq=False)
class FamilyLaw:
    """A family's points (run_id, compute in exaFLOPs of valid taps, error as a fraction), and law or why none."""

    family: str
    points: pl.DataFrame
    answer: Fit | TooFew | str


def laws(accuracies: pl.DataFrame) -> tuple[str, list[FamilyLaw]]:
    """The law of each family with two models or more, on the mean over tasks or the only task; and that task's name."""
    if accuracies.is_empty():
        return "", []
    task = tasks_of(accuracies)[-1]
    known = accuracies.filter(pl.col("pretrained") & (pl.col("exaflops_valid") > 0), task=task)
    points = known.select("run_id", "family", compute="exaflops_valid", error=1 - pl.col("top1_mean")).drop_nulls()
    made = [
        FamilyLaw(str(family), part.sort("compute"), _law(part))
        for (family,), part in points.group_by("family", maintain_order=True)
        if part.height > 1
    ]
    return task, made


def _law(points: pl.DataFrame) -> Fit | TooFew | str:
    try:
        return fit("power", {"compute": points["compute"]}, points["error"], METHOD, named="error")
    except ValueError as error:
        return str(error)


def fits(found: list[FamilyLaw]) -> list[tuple[FamilyLaw, Fit]]:
    """Those that have a law."""
    return [(law, law.answer) for law in found if isinstance(law.answer, Fit)]


def sentences(found: list[FamilyLaw]) -> list[str]:
    """How far each law can be trusted, or why there is none."""
    said = []
    for law in found:
        name = style.family_name(law.family)
        if isinstance(law.answer, Fit):
            ahead = _ahead(law.answer)
            said.append(f"{name}: {held_out(law.answer.held_out)} {lack(law.answer.lack_of_fit)} {ahead}")
            said += [f"{name}: {note}." for note in law.answer.notes]
        else:
            said.append(f"{name}: no law: {law.answer}.")
    return said


def _ahead(law: Fit) -> str:
    """What it says of more compute, as the extrapolation that it is."""
    end = law.ranges[0][2] * BEYOND
    (made,) = predict(law, [[end]])
    low, high = (f"{value * 100:.2f}" for value in made.interval)
    return (
        f"At {BEYOND:g} times the largest compute, an extrapolation, it predicts an error of {made.value * 100:.2f} % "
        f"({law.method.level:.0%} interval of the law {low} to {high} %)."
    )


def table(found: list[FamilyLaw]) -> pl.DataFrame:
    """The constants with their intervals, as text cells; a row a family with a law."""
    rows = [
        {"family": style.family_name(law.family), "models": str(answer.configurations)}
        | {
            f"{constant.name} ({answer.method.level:.0%} interval)": _constant(constant)
            for constant in answer.constants
        }
        | {"interval by": answer.interval_by, "scatter": f"{answer.scatter:.2%}"}
        for law, answer in fits(found)
    ]
    return pl.DataFrame(rows)


def _constant(constant: Constant) -> str:
    low, high = constant.interval
    return f"{constant.value:.3g} ({low:.3g} to {high:.3g})"


def chart(found: list[FamilyLaw]) -> Any:
    """Error by pre-training compute with each family's law: its interval as a band, dashed where it extrapolates.

    Raises `style.NothingToDrawError` when no family has a law.
    """
    drawn = fits(found)
    if not drawn:
        raise style.NothingToDrawError("no family has points enough for a law")
    size, unit = style.flops_unit(pl.concat([law.points["compute"] for law, _ in drawn]))
    scales = style.family_scales([law.family for law, _ in drawn])
    points = pl.concat([spread_over(law.points, "compute", 150) for law, _ in drawn])
    marks = points.select(
        compute=pl.col("compute") / size,
        percent=pl.col("error") * 100,
        shown=pl.col("family").map_elements(style.family_name, return_dtype=pl.String),
    ).filter(pl.col("percent") > 0)
    lines = pl.DataFrame([row for law, answer in drawn for row in _line(law.family, answer, size)])
    low, high = style.extent(lines["compute"])
    least, most = style.extent(pl.concat([marks["percent"], lines["percent"]]))
    log, y = most / least > LOG, (least / 1.1, most * 1.1)
    compute = alt.X("compute:Q", title=f"pre-training compute ({unit})")
    compute = compute.scale(type="log", domain=[low / 1.1, high], nice=False).axis(
        values=style.log_ticks(low, high), format=",~g", grid=False
    )
    error = alt.Y("percent:Q", title="error (%)")
    error = error.scale(type="log" if log else "linear", domain=y, nice=False, clamp=True, zero=False)
    error = error.axis(values=style.log_ticks(*y), format="~g") if log else error
    colour = alt.Color("shown:N", title=None, scale=scales[0]).legend(symbolOpacity=1)
    base = alt.Chart(style.data(lines.to_dicts())).encode(x=compute, color=colour)
    about = {"tooltip": "about:N", "description": "about:N"}
    described = marks.with_columns(about=pl.format("{}: {} % error", "shown", pl.col("percent").round(2)))
    layers = [
        base.mark_area(opacity=0.15, aria=False).encode(y=alt.Y("least:Q").title("error (%)"), y2="most:Q"),
        alt.Chart(style.data(described.to_dicts()))
        .mark_point(filled=True, size=46 if marks.height <= 2 * LINES else 14, opacity=0.8)
        .encode(x=compute, y=error, color=colour, shape=alt.Shape("shown:N", title=None, scale=scales[1]), **about),
        base.mark_line(strokeWidth=1.8, aria=False).encode(
            y=error,
            detail="part:N",
            strokeDash=alt.StrokeDash("part:N", legend=None).scale(
                domain=["fitted", "extrapolated"], range=[[1, 0], [5, 4]]
            ),
        ),
    ]
    title = style.titled(
        "Error by pre-training compute, and its law", "Band: the law's interval. Dashed: beyond the points."
    )
    return style.styled(alt.layer(*layers).properties(width=520, height=300), title)


def _line(family: str, law: Fit, size: float) -> list[dict[str, Any]]:
    _, low, high = law.ranges[0]
    parts = (
        ("fitted", np.geomspace(low, high, PLACES)),
        ("extrapolated", np.geomspace(high, high * BEYOND, PLACES // 4)),
    )
    return [
        {
            "shown": style.family_name(family),
            "part": part,
            "compute": made.at[0][1] / size,
            "percent": made.value * 100,
            "least": max(made.interval[0], made.value / 5) * 100,  # an interval without a bound is cut off
            "most": min(made.interval[1], made.value * 5) * 100,
        }
        for part, places in parts
        for made in predict(law, [[float(place)] for place in places])
    ]

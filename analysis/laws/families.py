"""The scaling laws of a study for its page: error against pre-training compute, a law a family where points allow.

`python -m analysis fit` has every form and option; this is the plain one: E + a C^-b, Huber loss on the log of the
error (Hoffmann et al. 2022), with the check on the largest rungs and the test for lack of fit.
"""

from dataclasses import dataclass

import polars as pl

from analysis.laws.checks import held_out_text, lack_of_fit_text
from analysis.laws.fit import fit
from analysis.laws.predict import predict
from analysis.laws.values import Constant, Fit, Method, TooFew
from analysis.names import family_name
from analysis.rows import tasks_of

EXTRAPOLATED = 4.0  # times the largest compute: how far a law is drawn and predicts
METHOD = Method(bootstrap=300, most=2000)  # more samples and models take minutes and change no digit on the page


@dataclass(frozen=True, eq=False)
class FamilyLaw:
    """A family's points (run_id, compute in exaFLOPs of valid taps, error as a fraction), and law or why none."""

    family: str
    points: pl.DataFrame
    answer: Fit | TooFew | str


def family_laws(accuracies: pl.DataFrame) -> tuple[str, list[FamilyLaw]]:
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


def laws_found(found: list[FamilyLaw]) -> list[tuple[FamilyLaw, Fit]]:
    """Those that have a law."""
    return [(law, law.answer) for law in found if isinstance(law.answer, Fit)]


def law_sentences(found: list[FamilyLaw]) -> list[str]:
    """How far each law can be trusted, or why there is none."""
    said = []
    for law in found:
        name = family_name(law.family)
        if isinstance(law.answer, Fit):
            ahead = _ahead(law.answer)
            said.append(
                f"{name}: {held_out_text(law.answer.held_out)} {lack_of_fit_text(law.answer.lack_of_fit)} {ahead}"
            )
            said += [f"{name}: {note}." for note in law.answer.notes]
        else:
            said.append(f"{name}: no law: {law.answer}.")
    return said


def _ahead(law: Fit) -> str:
    """What it says of more compute, as the extrapolation that it is."""
    end = law.ranges[0][2] * EXTRAPOLATED
    (made,) = predict(law, [[end]])
    low, high = (f"{value * 100:.2f}" for value in made.interval)
    return (
        f"At {EXTRAPOLATED:g} times the largest compute, an extrapolation, it predicts an error of "
        f"{made.value * 100:.2f} % ({law.method.level:.0%} interval of the law {low} to {high} %)."
    )


def laws_table(found: list[FamilyLaw]) -> pl.DataFrame:
    """The constants with their intervals, as text cells; a row a family with a law."""
    rows = [
        {"family": family_name(law.family), "models": str(answer.configurations)}
        | {
            f"{constant.name} ({answer.method.level:.0%} interval)": _constant(constant)
            for constant in answer.constants
        }
        | {"interval by": answer.interval_by, "scatter": f"{answer.scatter:.2%}"}
        for law, answer in laws_found(found)
    ]
    return pl.DataFrame(rows)


def _constant(constant: Constant) -> str:
    low, high = constant.interval
    return f"{constant.value:.3g} ({low:.3g} to {high:.3g})"

"""The scaling law of each family of a study: error against pre-training compute, where there are enough points.

`python -m analysis fit` has every form and option; this is the default one: E + a C^-b, Huber loss on the log of the
error (Hoffmann et al. 2022), with the check on the largest rungs and the test for lack of fit.
"""

from dataclasses import dataclass

import polars as pl

from analysis.laws.checks import held_out_text, lack_of_fit_text
from analysis.laws.fit import fit
from analysis.laws.lacking import lacking_sentence
from analysis.laws.predict import predict
from analysis.laws.values import Constant, Fit, Method, TooFew
from analysis.names import family_name
from analysis.rows import headline_task

EXTRAPOLATED = 4.0  # times the largest compute: how far a law is drawn and used to predict
METHOD = Method(bootstrap=300, most=2000)  # more samples and models take minutes and change no digit in a report


@dataclass(frozen=True, eq=False)
class FamilyLaw:
    """A family's points (run_id, family, compute in exaFLOPs of valid taps, error as a fraction), and its law.

    Instead of a law, `answer` may say that there are too few points, or why the fit failed.
    """

    family: str
    points: pl.DataFrame
    answer: Fit | TooFew | str


def family_laws(accuracies: pl.DataFrame) -> tuple[str, list[FamilyLaw]]:
    """A task, and the law of each family on it: the mean over tasks, or the only task.

    `accuracies` are the rows of `analysis.rows.accuracies`; families with one model are left out.
    """
    if accuracies.is_empty():
        return "", []
    task = headline_task(accuracies)
    known = accuracies.filter(pl.col("pretrained") & (pl.col("exaflops_valid") > 0), task=task)
    points = known.select("run_id", "family", compute="exaflops_valid", error=1 - pl.col("top1_mean")).drop_nulls()
    laws = [
        FamilyLaw(str(family), part.sort("compute"), _law(part))
        for (family,), part in points.group_by("family", maintain_order=True)
        if part.height > 1
    ]
    return task, laws


def _law(points: pl.DataFrame) -> Fit | TooFew | str:
    try:
        return fit("power", {"compute": points["compute"]}, points["error"], METHOD, named="error")
    except ValueError as error:
        return str(error)


def fitted_laws(laws: list[FamilyLaw]) -> list[tuple[FamilyLaw, Fit]]:
    """The families that have a law, with their laws."""
    return [(law, law.answer) for law in laws if isinstance(law.answer, Fit)]


def law_sentences(laws: list[FamilyLaw]) -> list[str]:
    """How far each law can be trusted and what it predicts, and in one sentence which families have none."""
    sentences = []
    lacking = [(family_name(law.family), law.answer) for law in laws if not isinstance(law.answer, Fit)]
    for law in laws:
        name = family_name(law.family)
        if isinstance(law.answer, Fit):
            ahead = _ahead(law.answer)
            sentences.append(
                f"{name}: {held_out_text(law.answer.held_out)} {lack_of_fit_text(law.answer.lack_of_fit)} {ahead}"
            )
            sentences += [f"{name}: {note}." for note in law.answer.notes]
    said = lacking_sentence(lacking, len(laws))
    return [*sentences, said] if said else sentences


def _ahead(law: Fit) -> str:
    """What the law predicts for more compute, called the extrapolation that it is."""
    end = law.ranges[0][2] * EXTRAPOLATED
    (prediction,) = predict(law, [[end]])
    low, high = (f"{value * 100:.2f}" for value in prediction.interval)
    return (
        f"At {EXTRAPOLATED:g} times the largest compute, an extrapolation, it predicts an error of "
        f"{prediction.value * 100:.2f} % ({law.method.level:.0%} interval of the law {low} to {high} %)."
    )


def laws_table(laws: list[FamilyLaw]) -> pl.DataFrame:
    """The constants with their intervals, as text cells; one row per family with a law."""
    rows = [
        {"family": family_name(law.family), "models": str(answer.configurations)}
        | {
            f"{constant.name} ({answer.method.level:.0%} interval)": _constant(constant)
            for constant in answer.constants
        }
        | {"interval by": answer.interval_by, "scatter": f"{answer.scatter:.2%}"}
        for law, answer in fitted_laws(laws)
    ]
    return pl.DataFrame(rows)


def _constant(constant: Constant) -> str:
    low, high = constant.interval
    return f"{constant.value:.3g} ({low:.3g} to {high:.3g})"

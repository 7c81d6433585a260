"""`python -m analysis fit`: the law of each group of a table's rows."""

from dataclasses import asdict, dataclass
from typing import Literal

import tyro

from analysis.commands.law_options import Form, LawOptions
from analysis.commands.printing import print_json


@dataclass(frozen=True)
class Options:
    """Fit a scaling law: constants with intervals, held-out error, lack of fit, predictions.

    python -m analysis fit results/quickstart
    python -m analysis fit runs.csv --compute flops --error err --family kind --predict 1e21
    """

    law: tyro.conf.OmitArgPrefixes[LawOptions]
    form: Literal["power", "shifted", "chinchilla", "broken", "two-step"] = "power"
    """The law."""
    loss_form: Form = "power"
    """The loss's law in a two-step fit."""
    predict: tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Values to predict at: compute, or PARAMS,SAMPLES."""


def run(options: Options) -> None:
    from analysis.commands import fit_text  # here: they take a moment to load
    from analysis.laws import fit_answers, fitted_as_json

    places = _places([text for texts in options.predict for text in texts])
    request = options.law.request(options.form, options.loss_form)
    answers = fit_answers(request, places)
    if options.law.json:
        fits = [fitted_as_json(one) for one in answers]
        print_json({"form": options.form, "method": asdict(request.method), "fits": fits})
        return
    for one in answers:
        if not fit_text.is_lacking(one):
            fit_text.show(one)
    fit_text.show_lacking(answers)


def _places(texts: list[str]) -> list[list[float]]:
    try:
        return [[float(part) for part in text.split(",")] for text in texts]
    except ValueError:
        raise ValueError(f"--predict wants numbers, X or PARAMS,SAMPLES, got {' '.join(texts)}") from None

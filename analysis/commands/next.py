"""`python -m analysis next`: what to run next, by the law of each group of a table's rows."""

from dataclasses import dataclass

import tyro

from analysis.commands.law_options import Form, LawOptions
from analysis.commands.printing import print_json

OTHERWISE = "--form power has fewer constants (a law of compute alone), --family names the columns to split rows by"
WHOLE = 3  # laws that are told in full; of more, one line each


@dataclass(frozen=True)
class Options:
    """Say what to run next: the best size and data for a budget, and the run that narrows the law most.

    python -m analysis next runs.csv --compute train_flops --budget 60000
    python -m analysis next results/quickstart --form power --budget 0.1 --json
    """

    law: tyro.conf.OmitArgPrefixes[LawOptions]
    budget: float
    """Compute to spend, in exaFLOPs."""
    form: Form = "chinchilla"
    """The law."""
    candidates: str | None = None
    """CSV or Parquet of runs that could be made, with the law's columns. Default: a grid."""
    cost: str | None = None
    """Column of the candidates: what each costs. Default: its exaFLOPs."""
    compute_unit: float | None = None
    """FLOPs of one unit of the compute column. Default: 1; of a storage, 1e18."""


def run(options: Options) -> None:
    from analysis.commands import fit_text, next_answers  # here: they take a moment to load

    budget = next_answers.Budget(options.budget, options.candidates, options.cost, options.compute_unit)
    answers = next_answers.next_runs(options.law.request(options.form), budget)
    if options.law.json:
        laws = [next_answers.as_json(one) for one in answers]
        print_json({"form": options.form, "budget_exaflops": options.budget, "laws": laws})
        return
    found = [one for one in answers if one.ranked]
    if len(found) > WHOLE:
        fit_text.show_next_table(found, options.budget)
    else:
        for one in found:
            fit_text.show_next(one, options.budget)
    advice = OTHERWISE if options.form != "power" and not found else ""
    fit_text.show_lacking([one.law for one in answers], advice)

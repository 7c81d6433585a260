"""All that a study's page is made of, read from its rows."""

import json
from dataclasses import dataclass

import polars as pl

from analysis.compare import frontier, sweeps_of
from analysis.laws import FamilyLaw, family_laws
from analysis.rows import Rows, accuracies, load_rows, stored_study, with_rows_of
from scaling.specs import Study
from scaling.store import Command, Storage, recorded_commands


@dataclass(frozen=True, eq=False)
class View:
    """Rows and what is computed of them once: `scores` are `accuracies`' rows, `points` `frontier`'s, `sweeps`
    `sweeps_of`'s; `laws` are those of the error on `law_task`. `study` is None where study.json cannot be read.
    """

    name: str
    rows: Rows
    scores: pl.DataFrame
    points: pl.DataFrame
    sweeps: pl.DataFrame
    law_task: str
    laws: list[FamilyLaw]
    study: Study | None
    commands: list[Command]


def read_view(storage: Storage, beside: str | None = None) -> View:
    """Read a storage; accuracies of the storage `beside` join the scores. Raises ValueError when there are no rows."""
    rows = load_rows(storage)
    scores = accuracies(with_rows_of(rows, beside))
    task, laws = family_laws(scores)
    return View(
        name=study_name(storage, rows),
        rows=rows,
        scores=scores,
        points=frontier(scores),
        sweeps=sweeps_of(rows),
        law_task=task,
        laws=laws,
        study=stored_study(storage),
        commands=recorded_commands(storage),
    )


def study_name(storage: Storage, rows: Rows) -> str:
    """The name in `study.json`, or else in the attempts, or else a neutral one."""
    if storage.exists("study.json"):
        try:  # the name alone: this version may not know the rest of the study
            name = json.loads(storage.read("study.json"))["name"]
        except (ValueError, KeyError, TypeError, RecursionError):
            name = None
        if isinstance(name, str) and name:
            return name
    named = rows.attempt["study"].drop_nulls().unique().sort().to_list()
    return ", ".join(named) or "Scaling study"

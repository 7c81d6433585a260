"""The report of a study: one HTML page that opens without a network, and its figures as PNG and SVG."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from analysis.accounting import core_time_by_kind, stored_study
from analysis.compare import frontier, sweeps_of
from analysis.figures import (
    NothingToDrawError,
    chart_images,
    core_days_chart,
    curves_chart,
    fewshot_chart,
    frontier_chart,
    inspection_charts,
    laws_chart,
    load_inspections,
    pretraining_chart,
    response_chart,
)
from analysis.laws import family_laws
from analysis.report import html as page
from analysis.report import sections
from analysis.report.sections import View
from analysis.rows import (
    Rows,
    accuracies,
    load_rows,
    merge_seeds,
    models_by_run,
    open_rows,
    with_rows_of,
    with_run_names,
)
from scaling.store import Storage, recorded_commands

CAPTIONS = {
    "frontier": "Accuracy by compute of pre-training: fine-tuned, or few-shot if nothing was.",
    "pretraining": "Accuracy with pre-training and from scratch, by model.",
    "fewshot": "Accuracy of a linear classifier by training images a class.",
    "curves": "Training loss by images seen, one line a run.",
    "core_days": "Occupied core time by kind of work, productive and not.",
    "sweeps": "Accuracy on the dev split by learning rate, one line a model, the chosen rates marked.",
    "laws": "Error by compute of pre-training, with the law of each family that has points enough.",
}


def report(storage: str | Path | Storage, out: Storage | None = None, beside: str | None = None) -> list[str]:
    """Write `report.html`, `figures/*.png` and `figures/*.svg` into `out` (default: the storage itself).

    `beside` names a storage whose accuracies are shown side by side (`analysis.rows.merge`). Returns the names of
    the files written, inside `out`. Parts without rows are left out. Raises ValueError when the storage holds no rows.
    """
    place = open_rows(storage)
    seen = view(place, beside)
    target = place if out is None else out
    files: dict[str, bytes] = {}
    drawn = dict.fromkeys(CAPTIONS, "")
    every = report_charts(seen) | _inspections(place)
    for name, (chart, caption) in every.items():
        files |= chart_images(f"figures/{name}", chart)
        drawn[name] = page.figure(name, files[f"figures/{name}.svg"].decode(), caption)
    text = page.page(seen.name, sections.about(seen), sections.sections(seen, drawn))
    files["report.html"] = text.encode()
    for name, content in files.items():
        target.write(name, content)
    return list(files)


def _inspections(storage: Storage) -> dict[str, tuple[Any, str]]:
    made = inspection_charts(load_inspections(storage))
    return {f"inspection_{name}": chart for name, chart in made.items()}


def view(storage: Storage, beside: str | None = None) -> View:
    """All that the page is made of. Raises ValueError when the storage holds no rows."""
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


def report_charts(view: View) -> dict[str, tuple[Any, str]]:
    """The figures that the rows are enough for: name -> (altair chart, what it shows)."""
    rows = view.rows
    probed = merge_seeds(rows.fewshot, models_by_run(rows.pretrain, rows.transfer))
    curve, fewshot = (with_run_names(frame, rows.pretrain) for frame in (rows.curve, probed))
    scratch = rows.transfer.filter(~pl.col("pretrained"))["run_id"].implode()
    from_scratch = pl.when(pl.col("run_id").is_in(scratch)).then(pl.lit(" from scratch")).otherwise(pl.lit(""))
    fewshot = fewshot.with_columns(name=pl.col("name") + from_scratch)
    made = {
        "frontier": lambda: frontier_chart(view.points),
        "pretraining": lambda: pretraining_chart(view.scores),
        "fewshot": lambda: fewshot_chart(fewshot),
        "curves": lambda: curves_chart(curve),
        "core_days": lambda: core_days_chart(core_time_by_kind(rows.attempt)),
        "sweeps": lambda: response_chart(rows),
        "laws": lambda: laws_chart(view.laws),
    }
    drawn = {}
    for name, draw in made.items():
        with suppress(NothingToDrawError):
            drawn[name] = (draw(), CAPTIONS[name])
    return drawn


def study_name(storage: Storage, rows: Rows) -> str:
    """The name in `study.json`, or that of the attempts, or a neutral one."""
    if storage.exists("study.json"):
        try:
            name = json.loads(storage.read("study.json"))["name"]
        except (ValueError, KeyError, TypeError):
            name = None
        if isinstance(name, str) and name:
            return name
    named = rows.attempt["study"].drop_nulls().unique().sort().to_list()
    return ", ".join(named) or "Scaling study"

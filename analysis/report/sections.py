"""What each section of a study's page says: rows -> HTML. The figures come by name from `analysis.report`."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analysis.accounting import (
    against_plan,
    core_time_account,
    core_time_by_kind,
    core_time_by_model,
    mishaps,
    plan_vs_actual_by_family,
    restarts,
)
from analysis.compare import (
    doubling_table,
    importance_sentences,
    published_ratios,
    ratio_answer,
    ratio_table,
    sweep_sentences,
    sweeps_table,
)
from analysis.laws import FamilyLaw, law_sentences, laws_table
from analysis.names import WORK, core_unit, family_name, flops_unit
from analysis.report import html as page
from analysis.report import reproduce
from analysis.report.summary import summary_sentences
from analysis.rows import MEAN, OPEN_ROWS, Rows, tasks_of, with_display_name
from analysis.tables import account_table, frontier_table, percent, results_table
from scaling.specs import Study
from scaling.store import Command

Figures = Mapping[str, str]  # HTML by name, '' for those that there are no rows for


@dataclass(frozen=True, eq=False)
class View:
    """All that a page is made of. `points` are `frontier.frontier`'s, `laws` of task `law_task`."""

    name: str
    rows: Rows
    scores: pl.DataFrame
    points: pl.DataFrame
    sweeps: pl.DataFrame
    law_task: str
    laws: list[FamilyLaw]
    study: Study | None
    commands: list[Command]


def sections(view: View, figures: Figures) -> list[page.Section]:
    """The page's parts in order; those without rows have no body."""
    return [
        page.Section("summary", "Summary", _summary(view)),
        page.Section("frontier", "Frontier", _frontier(view, figures)),
        page.Section("ratios", "Compute ratios", _ratios(view)),
        page.Section("laws", "Scaling laws", _laws(view, figures)),
        page.Section("results", "Results", _results(view, figures)),
        page.Section("sweeps", "Sweeps", _sweeps(view, figures)),
        page.Section("training", "Training", figures["curves"]),
        page.Section("inspection", "What the models look at", _inspection(figures)),
        page.Section("cost", "Cost: plan and actual", _cost(view, figures)),
        page.Section("failures", "Failures and restarts", _failures(view)),
        page.Section("reproduce", "How to reproduce", reproduce.section(view.rows, view.study, view.commands)),
        page.Section("next", "How to go on", reproduce.NEXT),
    ]


def about(view: View) -> str:
    """One line: when and on what the work was done."""
    attempts = view.rows.attempt
    if attempts.is_empty():
        return "A study of image models, from its rows."
    times = attempts["started"].drop_nulls().sort().dt.strftime("%Y-%m-%d %H:%M")
    first, last = (times[0], times[-1]) if len(times) else ("?", "?")
    devices = ", ".join(sorted(set(attempts["device"].drop_nulls())))
    span = f"at {first}" if first == last else f"from {first} to {last}"
    return f"Work begun {span} (UTC), on {devices}."


def _summary(view: View) -> str:
    said = page.bullets(summary_sentences(view.rows, view.scores))
    return page.cards(_cards(view)) + said


def _cards(view: View) -> list[tuple[str, str, str]]:
    made = []
    if view.rows.pretrain.height:
        families = sorted(family_name(family) for family in set(view.rows.pretrain["family"]))
        made.append(("Pre-trained models", f"{view.rows.pretrain.height:,}", ", ".join(families)))
    if view.scores.height:
        task = tasks_of(view.scores)[-1]
        best = (
            with_display_name(view.scores)
            .filter(pl.col("task") == task)
            .sort("top1_mean", "label", descending=[True, False])
        )
        row = best.row(0, named=True)
        where = "mean over tasks" if task == MEAN else task
        made.append(("Best accuracy", percent(row["top1_mean"]) + " %", f"{row['label']}, {where}"))
    whole = core_time_account(view.rows.attempt).to_dicts()
    for row in whole:
        seconds, unit = core_unit(row["core_seconds"])
        share = "" if row["productive_share"] is None else f", {row['productive_share']:.0%} productive"
        made.append((f"Occupied {unit}", f"{row['core_seconds'] / seconds:,.1f}", f"{row['device']}{share}"))
    if whole:
        failed = mishaps(view.rows.attempt)
        made.append(("Attempts", f"{view.rows.attempt.height:,}", f"{failed.height:,} failed or cut off"))
    return made


def _frontier(view: View, figures: Figures) -> str:
    drawn = figures["frontier"] + figures["pretraining"]
    if view.points.is_empty():
        return drawn
    task = tasks_of(view.points)[-1]
    best = view.points.filter(pl.col("on_frontier") | pl.col("on_family_frontier"), task=task)
    where = "mean over tasks" if task == MEAN else task
    caption = f"Points of a Pareto frontier ({where}): of all models, or of their family only"
    shown = frontier_table(best).drop("task") if best.height else pl.DataFrame()
    return drawn + page.table(shown, caption, text=["family", "frontier"])


def _ratios(view: View) -> str:
    """How much compute families need for each other's accuracy; nothing without accuracies to compare."""
    try:
        found = ratio_answer(view.rows, view.scores, None, None, None)
    except ValueError:  # no model has compute and accuracies
        return ""
    made = []
    for pair in found["comparisons"]:
        caption = f"{family_name(pair['of'])} against the {family_name(pair['against'])} frontier"
        made += [page.table(ratio_table(pair), caption, text=["where"]) if pair["points_beside"] else ""]
        made += [page.bullets(pair["sentences"])]
    if found["doublings"]:
        caption = "Gain per doubling of compute, along each family's frontier"
        made += [page.table(doubling_table(found["doublings"]), caption, text=["from", "to"])]
    note = f"Accuracy is that on {', '.join(found['tasks'])}; an interval is one standard error of the seeds' means."
    published = "<h3>As published</h3>" + page.bullets(published_ratios())
    return page.paragraph(note) + "".join(made) + page.bullets(found["notes"]) + published


def _laws(view: View, figures: Figures) -> str:
    if not view.laws:
        return ""
    where = "mean over tasks" if view.law_task == MEAN else view.law_task
    caption = f"error ({where}) = E + a C^-b, C in exaFLOPs of pre-training"
    constants = page.table(laws_table(view.laws), caption, text=["interval by"])
    note = "Constants from few models and little range are weak: judge a law by its held-out error and intervals. "
    note += "The command python -m analysis fit STORAGE has more forms, and next says what to run to narrow one."
    return figures["laws"] + constants + page.bullets(law_sentences(view.laws)) + page.paragraph(note)


def _results(view: View, figures: Figures) -> str:
    found = results_table(view.rows)
    caption = "Models and accuracies: mean ± standard deviation over seeds"
    return page.table(found, caption, text=["family"]) + figures["fewshot"]


def _sweeps(view: View, figures: Figures) -> str:
    if view.sweeps.is_empty():
        return ""
    said = page.bullets([*sweep_sentences(view.sweeps), *importance_sentences(view.rows.trial)])
    caption = "Which rate was chosen, by how much on the dev split, and what it gives on test data"
    chosen = page.table(sweeps_table(view.sweeps), caption, text=["task", "of the grid", "lead on dev", "by seed"])
    return said + figures["sweeps"] + chosen


def _inspection(figures: Figures) -> str:
    """The pictures of inspections, where there are some: figures named inspection_*."""
    return "".join(drawn for name, drawn in figures.items() if name.startswith("inspection_"))


def _cost(view: View, figures: Figures) -> str:
    attempts = view.rows.attempt
    if attempts.is_empty():
        return ""
    note = (
        "Occupied is cores × time of every attempt, from its start to its last row; the five columns after it add up"
        " to it. A killed attempt may also be one that had not ended when the report was made."
    )
    return "\n".join(
        [
            _against_plan(view),
            figures["core_days"],
            page.paragraph(note),
            _account(account_table(core_time_by_kind(attempts)), "kind of work"),
            _account(account_table(core_time_by_model(attempts), ("family", "name")), "model"),
        ]
    )


def _account(shown: pl.DataFrame, by: str) -> str:
    """A table of core time; on one device it is said once, with the unit."""
    caption = f"Core time by {by}"
    if shown["device"].n_unique() == 1:
        caption = f"{caption} ({shown['unit'][0]}, {shown['device'][0]})"
        shown = shown.drop("device", "unit")
    shown = shown.drop([name for name in ("failed", "killed") if (shown[name] == "0").all()])
    order = [name for name in ("device", "name", "kind") if name in shown.columns]
    shown = shown.select(*order, pl.exclude(order))
    return page.table(shown, caption, text=["family", "name", "kind", "unit"])


def _against_plan(view: View) -> str:
    compared = against_plan(view.study, view.rows.attempt, view.rows.pretrain)
    if compared.is_empty() or not compared["planned_exaflops"].sum():
        return ""
    whole = compared.height <= OPEN_ROWS
    shown = compared.with_columns(runs=pl.lit(1, pl.UInt32)) if whole else plan_vs_actual_by_family(compared)
    size, unit = flops_unit(shown["planned_exaflops"].drop_nulls())
    seconds, time = core_unit(max(shown["core_days"].drop_nulls(), default=0.0) * 86_400)
    first = "model" if whole else "family"
    rows = [
        {
            first: _planned_name(row, first),
            "runs": str(row["runs"]) if row["kind"] == "pretrain" else "–",
            f"planned {unit}": _number(row["planned_exaflops"], size),
            f"done {unit}": _number(row["exaflops"], size),
            "done": "–" if row["done_share"] is None else f"{row['done_share']:.0%}",
            f"planned {time}": _number(row["planned_core_days"], seconds / 86_400),
            f"occupied {time}": _number(row["core_days"], seconds / 86_400),
            "of the plan": "–" if row["cost_ratio"] is None else f"{row['cost_ratio']:.2f} ×",
            "attempts": str(row["attempts"] or 0),
        }
        for row in shown.to_dicts()
    ]
    frame = pl.DataFrame(rows)
    frame = frame.drop("runs") if whole else frame
    note = (
        "The plan is the closed-form cost of the study at the catalogue's rate of the device; it has only training, "
        "while occupied time has set-up, waiting and evaluation too. 'Of the plan' is occupied time over what the plan "
        "gives to the part that is done. Small models seldom reach the catalogue's rate."
    )
    return page.table(frame, "Plan against actual") + page.paragraph(note)


def _planned_name(row: dict, first: str) -> str:
    if row["kind"] == "fine-tuning":
        return "fine-tuning: trials and finals"
    name = row["name"] if first == "model" else f"{family_name(row['family'] or '')} pre-training"
    return f"{name} (not in the study as it is now)" if row["planned_exaflops"] is None else name


def _number(value: float | None, size: float) -> str:
    return "–" if value is None else f"{value / size:,.4g}"


def _failures(view: View) -> str:
    attempts = view.rows.attempt
    if attempts.is_empty():
        return ""
    missed = mishaps(attempts)
    size, unit = core_unit(max(missed["lost"], default=0.0)) if missed.height else (1.0, "")
    shown = missed.select(
        pl.col("name").alias("model"),
        pl.col("kind").replace(WORK).alias("work"),
        pl.col("started").dt.strftime("%Y-%m-%d %H:%M").alias("started (UTC)"),
        pl.col("what"),
        pl.col("reason").fill_null("").replace("", "–"),
        pl.format("{} of {}", "committed_step", "last_step").alias("steps kept"),
        pl.Series(f"lost {unit}", [f"{value / size:,.2f}" for value in missed["lost"]], pl.String),
        pl.col("after").alias("then"),
    )
    caption = "Attempts that were not done"
    listed = page.table(shown, caption, text=["work", "started (UTC)", "what", "then"], long=["reason"])
    return page.paragraph(restarts(attempts)) + listed

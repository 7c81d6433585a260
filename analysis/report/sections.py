"""What the sections on results say, as HTML: sentences, tables, and the figures, which come by name."""

from collections.abc import Mapping

import polars as pl

from analysis.accounting import (
    core_time_account,
    mishaps,
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
from analysis.laws import law_sentences, laws_table
from analysis.names import core_unit, family_name
from analysis.report import html
from analysis.report.summary import summary_sentences
from analysis.report.view import View
from analysis.rows import MEAN, tasks_of, with_display_name
from analysis.tables import frontier_table, percent, results_table

Figures = Mapping[str, str]  # HTML by the name of the figure, '' for those without rows


def about(view: View) -> str:
    """One line: when the work was done, and on which devices."""
    attempts = view.rows.attempt
    if attempts.is_empty():
        return "A study of image models, from its rows."
    times = attempts["started"].drop_nulls().sort().dt.strftime("%Y-%m-%d %H:%M")
    first, last = (times[0], times[-1]) if len(times) else ("?", "?")
    devices = ", ".join(sorted(set(attempts["device"].drop_nulls())))
    span = f"at {first}" if first == last else f"between {first} and {last}"
    return f"Attempts started {span} (UTC), on {devices}."


def summary_section(view: View) -> str:
    """The numbers that stand out, and the summary in sentences."""
    return html.cards(_cards(view)) + html.bullets(summary_sentences(view.rows, view.scores))


def _cards(view: View) -> list[tuple[str, str, str]]:
    """The numbers that stand out: (what, its value, a note)."""
    cards = []
    if view.rows.pretrain.height:
        families = sorted(family_name(family) for family in set(view.rows.pretrain["family"]))
        cards.append(("Pre-trained models", f"{view.rows.pretrain.height:,}", ", ".join(families)))
    if view.scores.height:
        task = tasks_of(view.scores)[-1]
        best = (
            with_display_name(view.scores)
            .filter(pl.col("task") == task)
            .sort("top1_mean", "label", descending=[True, False])
        )
        row = best.row(0, named=True)
        where = "mean over tasks" if task == MEAN else task
        cards.append(("Best accuracy", percent(row["top1_mean"]) + " %", f"{row['label']}, {where}"))
    devices = core_time_account(view.rows.attempt).to_dicts()
    for row in devices:
        seconds, unit = core_unit(row["core_seconds"])
        share = "" if row["productive_share"] is None else f", {row['productive_share']:.0%} productive"
        cards.append((f"{unit.capitalize()} used", f"{row['core_seconds'] / seconds:,.1f}", f"{row['device']}{share}"))
    if devices:
        failed = mishaps(view.rows.attempt)
        cards.append(("Attempts", f"{view.rows.attempt.height:,}", f"{failed.height:,} failed or cut off"))
    return cards


def frontier_section(view: View, figures: Figures) -> str:
    """Accuracy against compute, the gain from pre-training, and the points of the frontiers."""
    drawn = figures["frontier"] + figures["pretraining"]
    if view.points.is_empty():
        return drawn
    task = tasks_of(view.points)[-1]
    best = view.points.filter(pl.col("on_frontier") | pl.col("on_family_frontier"), task=task)
    where = "mean over tasks" if task == MEAN else task
    caption = f"Points of a Pareto frontier ({where}): of all models, or of their family only"
    shown = frontier_table(best).drop("task") if best.height else pl.DataFrame()
    return drawn + html.table(shown, caption, text=["family", "frontier"])


def ratios_section(view: View) -> str:
    """How much compute families need for each other's accuracy; empty without accuracies to compare."""
    try:
        answer = ratio_answer(view.rows, view.scores, None, None, None)
    except ValueError:  # no model has compute and accuracies
        return ""
    parts = []
    for pair in answer["comparisons"]:
        caption = f"{family_name(pair['of'])} against the {family_name(pair['against'])} frontier"
        parts += [html.table(ratio_table(pair), caption, text=["where"]) if pair["points_beside"] else ""]
        parts += [html.bullets(pair["sentences"])]
    if answer["doublings"]:
        caption = "Gain per doubling of compute, along each family's frontier"
        parts += [html.table(doubling_table(answer["doublings"]), caption, text=["from", "to"])]
    note = f"Accuracy on {', '.join(answer['tasks'])}. Intervals are one standard error of the means over seeds."
    published = "<h3>As published</h3>" + html.bullets(published_ratios())
    return html.paragraph(note) + "".join(parts) + html.bullets(answer["notes"]) + published


def laws_section(view: View, figures: Figures) -> str:
    """The law of each family, with its constants and how far it can be trusted."""
    if not view.laws:
        return ""
    where = "mean over tasks" if view.law_task == MEAN else view.law_task
    caption = f"error ({where}) = E + a C^-b, C in exaFLOPs of pre-training"
    constants = html.table(laws_table(view.laws), caption, text=["interval by"])
    note = (
        "Constants from few models over a small range of compute are uncertain: judge a law by its held-out error and "
        "its intervals. python -m analysis fit STORAGE has more forms; python -m analysis next STORAGE says which run "
        "would narrow a law most."
    )
    return figures["laws"] + constants + html.bullets(law_sentences(view.laws)) + html.paragraph(note)


def results_section(view: View, figures: Figures) -> str:
    """Every model with its accuracies."""
    caption = "Models and accuracies: mean ± standard deviation over seeds"
    return html.table(results_table(view.rows), caption, text=["family"]) + figures["fewshot"]


def sweeps_section(view: View, figures: Figures) -> str:
    """The hyperparameter searches: what they chose, and what the accuracy depends on."""
    if view.sweeps.is_empty():
        return ""
    sentences = html.bullets([*sweep_sentences(view.sweeps), *importance_sentences(view.rows.trial)])
    caption = "Chosen learning rates, their lead on the dev split, and the accuracy on test data"
    chosen = html.table(sweeps_table(view.sweeps), caption, text=["task", "of the grid", "lead on dev", "by seed"])
    return sentences + figures["sweeps"] + chosen


def inspection_section(figures: Figures) -> str:
    """The figures of inspections, where there are any: those named inspection_*."""
    return "".join(drawn for name, drawn in figures.items() if name.startswith("inspection_"))

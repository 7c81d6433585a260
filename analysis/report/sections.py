"""What the sections on results say, as HTML: sentences, tables, and the figures, which come by name."""

from collections.abc import Mapping

import polars as pl

from analysis.accounting import (
    core_time_account,
    mishaps_text,
)
from analysis.compare import (
    WITHIN,
    doubling_table,
    importance_sentences,
    is_papers_comparison,
    published_ratios,
    ratio_answer,
    ratio_table,
    sweep_sentences,
    sweeps_table,
)
from analysis.laws import law_sentences, laws_table
from analysis.names import core_unit, family_name, figure
from analysis.report import html
from analysis.report.summary import best_of, models_trained, pretrained_on, ranked, summary_sentences
from analysis.report.view import View
from analysis.rows import MEAN, headline_task
from analysis.tables import evaluations_table, frontier_table, percent, results_table

Figures = Mapping[str, str]  # HTML by the name of the figure, '' for those without rows


def about(view: View) -> str:
    """One line: when the work was done, and on which devices."""
    attempts = view.rows.attempt
    if attempts.is_empty():
        return "A study of image models, from its rows."
    times = attempts["started"].drop_nulls().sort().dt.strftime("%Y-%m-%d %H:%M")
    devices = ", ".join(sorted(set(attempts["device"].drop_nulls())))
    on = f" on {devices}" if devices else ""
    if not len(times):  # published rows say how much was worked and not when
        return f"From rows of work{on} that do not say when it was done."
    span = f"at {times[0]}" if times[0] == times[-1] else f"between {times[0]} and {times[-1]}"
    return f"Attempts started {span} (UTC),{on or ' on a device that the rows do not name'}."


def summary_section(view: View) -> str:
    """The numbers that stand out, and the summary in sentences."""
    return html.cards(_cards(view)) + html.bullets(summary_sentences(view.rows, view.scores))


def _cards(view: View) -> list[tuple[str, str, str]]:
    """The numbers that stand out: (what, its value, a note)."""
    cards = []
    if view.rows.pretrain.height:
        families = ", ".join(sorted(family_name(family) for family in set(view.rows.pretrain["family"])))
        on = pretrained_on(view.rows)
        cards.append(
            ("Pre-trained models", f"{models_trained(view.rows):,}", f"{families}{f'; on {on}' if on else ''}")
        )
    if view.scores.height:
        task = headline_task(view.scores)
        # the study is about what pre-training gives: a from-scratch baseline is best only where there is nothing else
        trained = ranked(view.scores, task, True)
        if best := best_of(trained or ranked(view.scores, task, False)):
            where = "mean over tasks" if task == MEAN else task
            equal = f", {len(best) - 1} more {WITHIN}" if len(best) > 1 else ""
            note = f"{best[0]['label']}{'' if trained else ' from scratch'}, {where}{equal}"
            cards.append(("Best accuracy", f"{percent(best[0]['top1_mean'], best[0]['top1_std'])} %", note))
    devices = core_time_account(view.rows.attempt).to_dicts()
    for row in devices:
        seconds, unit = core_unit(row["core_seconds"], row["device"])
        share = "" if row["productive_share"] is None else f", {row['productive_share']:.0%} productive"
        cards.append(
            (f"{unit[0].upper() + unit[1:]} used", figure(row["core_seconds"] / seconds, 3), f"{row['device']}{share}")
        )
    if devices:
        missed = mishaps_text(view.rows.attempt)
        cards.append(("Attempts", f"{view.rows.attempt.height:,}", missed or "none failed or was cut off"))
    return cards


def frontier_section(view: View, figures: Figures) -> str:
    """Accuracy against compute, the gain from pre-training, and the points of the frontiers."""
    drawn = figures["frontier"] + figures["pretraining"]
    if view.points.is_empty():
        return drawn
    task = headline_task(view.points)
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
    # the paper's claim says nothing of other studies
    ours = is_papers_comparison(answer["tasks"])
    published = "<h3>As published</h3>" + html.bullets(published_ratios()) if ours else ""
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
    shown = results_table(view.rows)
    caption = "Models and accuracies: mean ± standard deviation over seeds"
    if "upstream (%)" in shown.columns:
        caption += "; upstream: on the held-out share of what the model was pre-trained on"
    return html.table(shown, caption, text=["family", "pre-trained on"]) + figures["fewshot"]


def evaluations_section(view: View, figures: Figures) -> str:
    """What was measured of the models besides fine-tunings and few-shot probes."""
    if view.rows.metric.is_empty():
        return ""
    caption = "Evaluations: every number by model, ± standard deviation over runs that differ in their seed"
    return figures["evaluations"] + html.table(evaluations_table(view.rows), caption)


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

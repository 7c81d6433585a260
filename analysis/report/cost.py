"""The sections on cost: core time used, the plan against it, and attempts that failed or were cut off."""

from typing import Any

import polars as pl

from analysis.accounting import (
    against_plan,
    core_time_by_kind,
    core_time_by_model,
    mishaps,
    plan_vs_actual_by_family,
    restarts,
)
from analysis.names import WORK, core_unit, family_name, figure, flops_unit
from analysis.report import html
from analysis.report.view import View
from analysis.rows import OPEN_ROWS
from analysis.tables import account_table


def cost_section(view: View, figure: str) -> str:
    """The plan against actual costs, the `figure` of core time, and its account by kind of work and by model."""
    attempts = view.rows.attempt
    if attempts.is_empty():
        return ""
    note = (
        "Core time used is cores × the time from an attempt's start to its last row; the five columns after it add up "
        "to it. Productive is training that the run kept. An attempt counted as killed may not have ended yet when the "
        "report was made."
    )
    return "\n".join(
        [
            _against_plan(view),
            figure,
            html.paragraph(note),
            _account(account_table(core_time_by_kind(attempts)), "kind of work"),
            _account(account_table(core_time_by_model(attempts), ("family", "name")), "model"),
        ]
    )


def _account(shown: pl.DataFrame, by: str) -> str:
    """A table of core time; where all is on one device, the caption names it and the unit."""
    caption = f"Core time by {by}"
    if shown["device"].n_unique() == 1:
        caption = f"{caption} ({shown['unit'][0]}, {shown['device'][0]})"
        shown = shown.drop("device", "unit")
    # columns of nothing but zeros are left out
    shown = shown.drop([name for name in ("failed", "stopped", "killed") if (shown[name] == "0").all()])
    order = [name for name in ("device", "name", "kind") if name in shown.columns]
    shown = shown.select(*order, pl.exclude(order))
    return html.table(shown, caption, text=["family", "name", "kind", "unit"])


def _against_plan(view: View) -> str:
    compared = against_plan(view.study, view.rows.attempt, view.rows.pretrain)
    if compared.is_empty() or not compared["planned_exaflops"].sum():
        return ""
    whole = compared.height <= OPEN_ROWS
    shown = compared.with_columns(runs=pl.lit(1, pl.UInt32)) if whole else plan_vs_actual_by_family(compared)
    size, unit = flops_unit(shown["planned_exaflops"].drop_nulls())
    device = view.rows.attempt["device"][0]  # `against_plan` is of studies on one kind of device
    seconds, time = core_unit(max(shown["core_days"].drop_nulls(), default=0.0) * 86_400, device)
    by = "model" if whole else "family"
    rows = [
        {
            by: _planned_name(row, by),
            "runs": str(row["runs"]) if row["kind"] == "pretrain" else "–",
            f"planned {unit}": _number(row["planned_exaflops"], size),
            f"done {unit}": _number(row["exaflops"], size),
            "done": "–" if row["done_share"] is None else f"{row['done_share']:.0%}",
            f"planned {time}": _number(row["planned_core_days"], seconds / 86_400),
            f"{time} used": _number(row["core_days"], seconds / 86_400),
            "of the plan": "–" if row["cost_ratio"] is None else f"{row['cost_ratio']:.2f} ×",
            "attempts": str(row["attempts"] or 0),
        }
        for row in shown.to_dicts()
    ]
    frame = pl.DataFrame(rows)
    frame = frame.drop("runs") if whole else frame
    note = (
        "The plan is the closed-form cost of the study at the catalogue's training rate of the device. It counts only "
        "training, while the time used includes set-up, waiting and evaluation. 'Of the plan' is the time used over "
        "the time that the plan gives to the part that is done. Small models seldom reach the catalogue's rate."
    )
    return html.table(frame, "Plan against actual") + html.paragraph(note)


def _planned_name(row: dict[str, Any], by: str) -> str:
    if row["kind"] == "fine-tuning":
        return "fine-tuning: trials and finals"
    name = row["name"] if by == "model" else f"{family_name(row['family'] or '')} pre-training"
    return f"{name} (not in the study as it is now)" if row["planned_exaflops"] is None else name


def _number(value: float | None, size: float) -> str:
    return "–" if value is None else figure(value / size)


def failures_section(view: View) -> str:
    """How many attempts the units took, and the attempts that did not finish theirs."""
    attempts = view.rows.attempt
    if attempts.is_empty():
        return ""
    missed = mishaps(attempts)
    devices = set(missed["device"])
    size, unit = core_unit(max(missed["lost"], default=0.0), devices.pop() if len(devices) == 1 else None)
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
    caption = "Attempts that failed or were cut off"
    listed = html.table(shown, caption, text=["work", "started (UTC)", "what", "then"], long=["reason"])
    return html.paragraph(restarts(attempts)) + listed

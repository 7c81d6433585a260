# mypy: ignore-errors
# ruff: noqa: B018, N803
"""What a study cost: used, productive and lost core time, against the plan, and what went wrong.

marimo edit analysis/notebooks/core_days.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Core-days")


@app.cell
def _():
    import marimo as mo

    from analysis import accounting, figures, tables
    from analysis.rows import load_rows, stored_study
    from scaling.store import Storage

    return Storage, accounting, figures, load_rows, mo, stored_study, tables


@app.cell
def _(Storage, accounting, load_rows, mo):
    storage = Storage.of(mo.cli_args().get("storage") or "results/quickstart")
    rows = load_rows(storage)
    mo.stop(rows.attempt.is_empty(), mo.md(f"`{storage.uri}` holds no attempt rows: nothing is known of its cost."))
    mo.md(f"# Core-days\n\nThe attempts of `{storage.uri}`. {accounting.restarts(rows.attempt)}")
    return rows, storage


@app.cell
def _(accounting, figures, rows):
    figures.core_days_chart(accounting.core_time_by_kind(rows.attempt))
    return


@app.cell
def _(mo):
    by = mo.ui.dropdown({"kind of work": ("kind",), "model": ("family", "name")}, value="kind of work", label="by")
    by
    return (by,)


@app.cell
def _(accounting, by, mo, rows, tables):
    mo.ui.table(tables.account_table(accounting.core_time_account(rows.attempt, by.value), by.value), selection=None)
    return


@app.cell
def _(accounting, mo, rows, storage, stored_study):
    study = stored_study(storage)
    compared = accounting.against_plan(study, rows.attempt, rows.pretrain)
    mo.md(
        "## Plan against actual" if compared.height else "No plan: there is no `study.json`, or several chips worked."
    )
    return (compared,)


@app.cell
def _(compared):
    compared
    return


@app.cell
def _(accounting, rows):
    accounting.mishaps(rows.attempt)
    return


if __name__ == "__main__":
    app.run()

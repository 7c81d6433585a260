# mypy: ignore-errors
# ruff: noqa: B018, N803
"""What a study cost: occupied, productive and lost core time, against the plan, and what went wrong.

marimo edit analysis/notebooks/core_days.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Core-days")


@app.cell
def _():
    import marimo as mo

    from analysis import actual, core_days, lines, tables
    from analysis.rows import load
    from scaling.storage import Storage

    return Storage, actual, core_days, lines, load, mo, tables


@app.cell
def _(Storage, actual, load, mo):
    storage = Storage.of(mo.cli_args().get("storage") or "results/quickstart")
    rows = load(storage)
    mo.stop(rows.attempt.is_empty(), mo.md(f"`{storage.uri}` holds no attempt rows: nothing is known of its cost."))
    mo.md(f"# Core-days\n\nThe attempts of `{storage.uri}`. {actual.restarts(rows.attempt)}")
    return rows, storage


@app.cell
def _(core_days, lines, rows):
    lines.core_days_chart(core_days.by_kind(rows.attempt))
    return


@app.cell
def _(mo):
    by = mo.ui.dropdown({"kind of work": ("kind",), "model": ("family", "name")}, value="kind of work", label="by")
    by
    return (by,)


@app.cell
def _(by, core_days, mo, rows, tables):
    mo.ui.table(tables.account_table(core_days.account(rows.attempt, by.value), by.value), selection=None)
    return


@app.cell
def _(actual, mo, rows, storage):
    study = actual.study_of(storage)
    compared = actual.against_plan(study, rows.attempt, rows.pretrain)
    mo.md(
        "## Plan against actual" if compared.height else "No plan: there is no `study.json`, or several chips worked."
    )
    return (compared,)


@app.cell
def _(compared):
    compared
    return


@app.cell
def _(actual, rows):
    actual.mishaps(rows.attempt)
    return


if __name__ == "__main__":
    app.run()

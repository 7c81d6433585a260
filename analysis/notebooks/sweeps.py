# mypy: ignore-errors
# ruff: noqa: B018
"""The sweeps of a study: what was tried, what was chosen and why, and the spread over seeds.

marimo edit analysis/notebooks/sweeps.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Sweeps")


@app.cell
def _():
    import marimo as mo

    from analysis import sweeps
    from analysis.rows import load

    return load, mo, sweeps


@app.cell
def _(load, mo, sweeps):
    storage = mo.cli_args().get("storage") or "results/quickstart"
    rows = load(storage)
    mo.stop(rows.trial.is_empty(), mo.md(f"`{storage}` holds no trials: every task had one setting."))
    found = sweeps.sweeps(rows)
    said = [*sweeps.sentences(found), *sweeps.importance_sentences(rows.trial)]
    mo.md(f"# Sweeps\n\nThe trials of `{storage}`.\n\n" + "\n".join(f"- {text}" for text in said))
    return found, rows


@app.cell
def _(mo, rows, sweeps):
    from analysis.style import NothingToDrawError

    try:
        drawn = sweeps.response_chart(rows)
    except NothingToDrawError as error:
        drawn = mo.md(f"No figure: {error}.")
    drawn
    return


@app.cell
def _(found, mo, sweeps):
    mo.ui.table(sweeps.table(found), selection=None)
    return


@app.cell
def _(mo, rows, sweeps):
    names = sweeps.varied(rows.trial)
    told = ", ".join(f"`{name}`" for name in names) or "nothing"
    best_first = rows.trial.sort("dev_top1", descending=True, nulls_last=True)
    trials = best_first.select("name", "task", *names, "steps_done", "dev_top1", "dev_loss")
    mo.vstack([mo.md(f"What was varied: {told}. All trials, the best first:"), trials])
    return


if __name__ == "__main__":
    app.run()

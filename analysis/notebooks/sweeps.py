# mypy: ignore-errors
# ruff: noqa: B018
"""The hyperparameter searches of a study: what was tried, what was chosen and why, and the spread over seeds.

marimo edit analysis/notebooks/sweeps.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Sweeps")


@app.cell
def _():
    import marimo as mo

    from analysis import compare
    from analysis.rows import load_rows

    return compare, load_rows, mo


@app.cell
def _(compare, load_rows, mo):
    storage = mo.cli_args().get("storage") or "results/quickstart"
    rows = load_rows(storage)
    mo.stop(rows.trial.is_empty(), mo.md(f"`{storage}` holds no trials: every task had one setting."))
    sweeps = compare.sweeps_of(rows)
    said = [*compare.sweep_sentences(sweeps), *compare.importance_sentences(rows.trial)]
    mo.md(f"# Hyperparameter search\n\nThe trials of `{storage}`.\n\n" + "\n".join(f"- {text}" for text in said))
    return rows, sweeps


@app.cell
def _(mo, rows):
    from analysis.figures import NothingToDrawError, response_chart

    try:
        drawn = response_chart(rows)
    except NothingToDrawError as error:
        drawn = mo.md(f"No figure: {error}.")
    drawn
    return


@app.cell
def _(compare, mo, sweeps):
    mo.ui.table(compare.sweeps_table(sweeps), selection=None)
    return


@app.cell
def _(compare, mo, rows):
    names = compare.varied_parameters(rows.trial)
    varied = ", ".join(f"`{name}`" for name in names) or "nothing"
    best_first = rows.trial.sort("dev_top1", descending=True, nulls_last=True)
    trials = best_first.select("name", "task", *names, "steps_done", "dev_top1", "dev_loss")
    mo.vstack([mo.md(f"What was varied: {varied}. All trials, the best first:"), trials])
    return


if __name__ == "__main__":
    app.run()

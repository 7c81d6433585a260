# mypy: ignore-errors
# ruff: noqa: B018
"""Scaling laws of a study, with intervals, held-out error, and predictions that say whether they extrapolate.

marimo edit analysis/notebooks/laws.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Scaling laws")


@app.cell
def _():
    import marimo as mo
    import polars as pl

    from analysis import fitted
    from analysis.laws.predict import predict
    from analysis.rows import accuracies, load
    from analysis.style import family_name

    return accuracies, family_name, fitted, load, mo, pl, predict


@app.cell
def _(accuracies, fitted, load, mo):
    storage = mo.cli_args().get("storage") or "results/quickstart"
    task, laws = fitted.laws(accuracies(load(storage)))
    said = "\n".join(f"- {text}" for text in fitted.sentences(laws)) or "No family has two models."
    mo.md(f"# Scaling laws\n\nError on `{task}` by pre-training compute, from the rows of `{storage}`.\n\n{said}")
    return (laws,)


@app.cell
def _(fitted, laws, mo):
    fitted.chart(laws) if fitted.fits(laws) else mo.md("Nothing to draw: no family has points enough for a law.")
    return


@app.cell
def _(fitted, laws):
    fitted.table(laws)
    return


@app.cell
def _(mo):
    more = mo.ui.slider(start=1, stop=100, value=4, label="times the largest compute")
    more
    return (more,)


@app.cell
def _(family_name, fitted, laws, more, pl, predict):
    rows = [
        {"family": family_name(law.family), "exaFLOPs": made.at[0][1], "error": made.value}
        | {"low": made.interval[0], "high": made.interval[1], "kind": made.kind, "by": made.factor}
        for law, answer in fitted.fits(laws)
        for made in predict(answer, [[answer.ranges[0][2] * more.value]])
    ]
    pl.DataFrame(rows)
    return


if __name__ == "__main__":
    app.run()

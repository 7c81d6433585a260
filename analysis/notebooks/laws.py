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

    from analysis.figures import laws_chart
    from analysis.laws import family_laws, fitted_laws, law_sentences, laws_table, predict
    from analysis.names import family_name
    from analysis.rows import accuracies, load_rows

    return (
        accuracies,
        family_laws,
        family_name,
        law_sentences,
        laws_chart,
        fitted_laws,
        laws_table,
        load_rows,
        mo,
        pl,
        predict,
    )


@app.cell
def _(accuracies, family_laws, law_sentences, load_rows, mo):
    storage = mo.cli_args().get("storage") or "results/quickstart"
    task, laws = family_laws(accuracies(load_rows(storage)))
    said = "\n".join(f"- {text}" for text in law_sentences(laws)) or "No family has two models."
    mo.md(f"# Scaling laws\n\nError on `{task}` by pre-training compute, from the rows of `{storage}`.\n\n{said}")
    return (laws,)


@app.cell
def _(laws, laws_chart, fitted_laws, mo):
    laws_chart(laws) if fitted_laws(laws) else mo.md("Nothing to draw: no family has enough points for a law.")
    return


@app.cell
def _(laws, laws_table):
    laws_table(laws)
    return


@app.cell
def _(mo):
    more = mo.ui.slider(start=1, stop=100, value=4, label="times the largest compute")
    more
    return (more,)


@app.cell
def _(family_name, laws, fitted_laws, more, pl, predict):
    rows = [
        {"family": family_name(law.family), "exaFLOPs": prediction.at[0][1], "error": prediction.value}
        | {
            "low": prediction.interval[0],
            "high": prediction.interval[1],
            "kind": prediction.kind,
            "by": prediction.factor,
        }
        for law, answer in fitted_laws(laws)
        for prediction in predict(answer, [[answer.ranges[0][2] * more.value]])
    ]
    pl.DataFrame(rows)
    return


if __name__ == "__main__":
    app.run()

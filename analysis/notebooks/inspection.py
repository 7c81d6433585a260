# mypy: ignore-errors
# ruff: noqa: B018
"""What the models of a study look at: patch filters, position embeddings, attention distance and rollout.

marimo edit analysis/notebooks/inspection.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Inspection")


@app.cell
def _():
    import marimo as mo

    from analysis import figures

    return figures, mo


@app.cell
def _(figures, mo):
    storage = mo.cli_args().get("storage") or "results/quickstart"
    drawn = figures.inspection_charts(figures.load_inspections(storage))
    none = f"`{storage}` holds no inspections: `python -m scaling.inspection` writes their rows."
    mo.stop(not drawn, mo.md(none))
    mo.md(f"# Inspection\n\nThe inspections of `{storage}`.")
    return (drawn,)


@app.cell
def _(drawn, mo):
    which = mo.ui.dropdown({caption: name for name, (_, caption) in drawn.items()}, label="figure")
    which
    return (which,)


@app.cell
def _(drawn, mo, which):
    shown = [which.value] if which.value else list(drawn)
    mo.vstack([part for name in shown for part in (mo.md(drawn[name][1]), drawn[name][0])])
    return


if __name__ == "__main__":
    app.run()

# mypy: ignore-errors
"""Accuracy by pre-training compute: the Pareto frontier, by task and family.

marimo edit analysis/notebooks/frontier.py -- --storage results/quickstart
"""

import marimo

app = marimo.App(app_title="Frontier")


@app.cell
def _():
    import marimo as mo
    import polars as pl

    from analysis import figures, tables
    from analysis.compare import frontier
    from analysis.rows import accuracies, load_rows, tasks_of

    return accuracies, figures, frontier, load_rows, mo, pl, tables, tasks_of


@app.cell
def _(accuracies, frontier, load_rows, mo):
    storage = mo.cli_args().get("storage") or "results/quickstart"
    scores = accuracies(load_rows(storage))
    points = frontier(scores)
    mo.md(f"# Frontier\n\nThe rows of `{storage}`: {points.height} accuracies, means over seeds.")
    return points, scores


@app.cell
def _(mo, points, tasks_of):
    tasks = tasks_of(points)
    task = mo.ui.dropdown(tasks, value=tasks[-1], label="task")
    families = mo.ui.multiselect(sorted(set(points["family"])), value=sorted(set(points["family"])), label="families")
    mo.hstack([task, families], justify="start")
    return families, task


@app.cell
def _(families, figures, pl, points, task):
    shown = points.filter(pl.col("family").is_in(families.value), task=task.value)
    figures.frontier_chart(shown)
    return (shown,)


@app.cell
def _(mo, shown, tables):
    mo.ui.table(tables.frontier_table(shown), selection=None)
    return


@app.cell
def _(mo, points, task):
    about = "The same points as a frame, to go on with: compute in exaFLOPs (valid taps), accuracies as fractions."
    frame = points.filter(task=task.value).select(
        "name", "family", "exaflops_valid", "top1_mean", "top1_std", "on_frontier"
    )
    mo.vstack([mo.md(about), frame])
    return


if __name__ == "__main__":
    app.run()

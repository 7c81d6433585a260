"""The numbers of evaluations as text cells."""

import polars as pl

from analysis.names import figure
from analysis.rows import Rows, metric_means, spread_over
from analysis.tables.cells import percent

COLUMNS = 12  # models of the table


def evaluations_table(rows: Rows) -> pl.DataFrame:
    """One row per number, by evaluation; one column per model, by compute. Of many models some are shown."""
    shown = spread_over(metric_means(rows), "exaflops_valid", COLUMNS)
    models = shown.sort("exaflops_valid", "name", "run_id", nulls_last=True).unique(
        "run_id", keep="first", maintain_order=True
    )
    labels = shown.unique("label", keep="first", maintain_order=True)
    cells: dict[str, list[str]] = {"evaluation": [heading(row) for row in labels.to_dicts()]}
    for run_id, name in models.select("run_id", "name").iter_rows():
        by_label = {row["label"]: metric_cell(row) for row in shown.filter(run_id=run_id).to_dicts()}
        cells[name if name not in cells else f"{name} {run_id[:4]}"] = [
            by_label.get(label, "–") for label in labels["label"]
        ]
    return pl.DataFrame(cells)


def heading(row: dict[str, object]) -> str:
    """What a row of `metric_means` is about, with its unit."""
    return f"{row['label']} (%)" if row["in_percent"] else str(row["label"])


def metric_cell(row: dict[str, object]) -> str:
    """The number of a row of `metric_means`, with its deviation where there is one."""
    mean, std = row["mean"], row["std"]
    assert isinstance(mean, float)
    assert std is None or isinstance(std, float)
    if row["in_percent"]:
        return percent(mean, std)
    return figure(mean) if std is None else f"{figure(mean)} ± {figure(std, 2)}"

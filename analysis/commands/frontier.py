"""`python -m analysis frontier`: accuracy by compute, and which runs are on the Pareto frontier."""

from dataclasses import dataclass

import tyro

from analysis.commands.places import names_of
from analysis.commands.printing import print_table


@dataclass(frozen=True)
class Options:
    """Print accuracies and the Pareto frontier by task.

    python -m analysis frontier results/quickstart
    python -m analysis frontier published --tasks imagenet,cifar10 --json
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows; published: the ViT paper's own."""
    tasks: str | None = None
    """Only the mean over these data sets: a,b,..."""
    beside: str | None = None
    """Other rows to show side by side, such as published."""
    json: bool = False
    """Print one JSON value instead of text."""


def run(options: Options) -> None:
    import polars as pl

    from analysis.compare import frontier, mean_over_tasks
    from analysis.rows import accuracies, at_most, load_rows, tasks_of, with_rows_of

    scores = accuracies(with_rows_of(load_rows(options.storage), options.beside))
    tasks = names_of(options.tasks)
    if tasks is not None:
        scores = mean_over_tasks(scores, tasks)
    points = frontier(scores)
    if options.json:
        print(f'{{"points": {points.fill_nan(None).write_json()}}}')  # in a fraction of json's time and memory
        return
    from analysis.tables import frontier_table

    known = points.filter(pl.col("exaflops_valid").is_not_null() & pl.col("task").is_in(tasks_of(points)))
    shown, left = at_most(known)
    print_table(frontier_table(shown), "Accuracy by pre-training compute")
    unknown = points["exaflops_valid"].null_count()
    for count, why in ((unknown, "without compute"), (left, "mostly on no frontier: --json prints all")):
        if count:
            print(f"{count:,} points are left out: {why}")

"""`python -m analysis costs`: measured speed and memory of models."""

from dataclasses import dataclass

import tyro

from analysis.commands.printing import print_json, print_table
from scaling.checks import printable


@dataclass(frozen=True)
class Options:
    """Print measured speed and memory of models (rows of scaling.measure) and draw figures/costs.*.

    python -m analysis costs results/measured
    python -m analysis costs s3://bucket/measured --json
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows."""
    json: bool = False
    """Print one JSON value instead of text, and draw nothing."""


def run(options: Options) -> None:
    from analysis.accounting import measurements_table, newest_measurements
    from analysis.figures import costs_chart, write_charts
    from scaling.store import Storage

    place = Storage.of(options.storage)
    rows = newest_measurements(place)
    if options.json:
        print_json(measurements_table(rows).to_dicts())
        return
    print_table(measurements_table(rows), "Measured costs, per core")
    for name in write_charts(place, "figures/", {"costs": (costs_chart(rows), "")}):
        print(printable(place.path(name)))

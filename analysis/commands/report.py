"""`python -m analysis report`: the page of a study."""

from dataclasses import dataclass

import tyro

from analysis.commands.places import read_and_write_places
from scaling.checks import printable


@dataclass(frozen=True)
class Options:
    """Write report.html and figures/ into the storage.

    python -m analysis report results/quickstart
    python -m analysis report results/quickstart --beside published --out /tmp/report
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows; published: the ViT paper's own."""
    out: str | None = None
    """Directory or URI to write to instead of the storage."""
    beside: str | None = None
    """Other rows to show side by side, such as published."""


def run(options: Options) -> None:
    from analysis.report import report  # here: the figures' libraries take a second to load

    place, target = read_and_write_places(options.storage, options.out)
    for name in report(place, target, options.beside):
        print(printable(target.path(name)))

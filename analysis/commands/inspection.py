"""`python -m analysis inspection`: pictures of what models look at."""

from dataclasses import dataclass

import tyro

from analysis.commands.places import read_and_write_places
from scaling.checks import printable


@dataclass(frozen=True)
class Options:
    """Draw what models look at, from rows of scaling.inspection, into figures/.

    python -m analysis inspection results/inspection
    python -m analysis inspection s3://bucket/study --out /tmp/pictures
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows."""
    out: str | None = None
    """Directory or URI to write to instead of the storage."""


def run(options: Options) -> None:
    from analysis.figures import inspection_charts, load_inspections, write_charts

    place, target = read_and_write_places(options.storage, options.out)
    charts = inspection_charts(load_inspections(place))
    if not charts:
        raise ValueError(f"storage {place.uri} holds no inspections: python -m scaling.inspection writes them")
    for name in write_charts(target, "figures/inspection_", charts):
        print(printable(target.path(name)))

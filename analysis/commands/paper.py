"""`python -m analysis paper`: the ViT paper's figures and tables from rows."""

from dataclasses import dataclass
from typing import Any

import tyro

from analysis.commands.places import read_and_write_places
from scaling.checks import printable


@dataclass(frozen=True)
class Options:
    """Draw the ViT paper's figures and tables from the rows, into paper/.

    python -m analysis paper published --out /tmp/paper
    python -m analysis paper results/vit_paper --beside published
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows; published: the ViT paper's own."""
    out: str | None = None
    """Directory or URI to write to instead of the storage."""
    beside: str | None = None
    """Other rows to show side by side, such as published."""


def run(options: Options) -> None:
    from analysis.figures import paper_charts, write_charts
    from analysis.rows import PUBLISHED, load_rows, with_rows_of
    from analysis.tables import paper_tables, write_tables

    place, target = read_and_write_places(options.storage, options.out)
    if options.storage == PUBLISHED:
        if options.beside is not None:
            raise ValueError(f"--beside does not go with {PUBLISHED}: its figures show the paper's rows alone")
        charts, tables = _as_published()
    else:
        rows = with_rows_of(load_rows(place), options.beside)
        charts, tables = paper_charts(rows), paper_tables(rows)
    if not charts and not tables:
        raise ValueError(f"the rows of storage {place.uri} are enough for none of the paper's figures and tables")
    names = write_charts(target, "paper/", charts) + write_tables(target, "paper/", tables)
    for name in names:
        print(printable(target.path(name)))


def _as_published() -> tuple[dict[str, Any], dict[str, Any]]:
    """Each figure and table from the rows of the table that the paper draws it from."""
    from analysis.figures import paper_charts
    from analysis.rows import PAPER_FIGURES, PUBLISHED, load_rows, published_storage
    from analysis.tables import paper_tables

    charts: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for part, shown in PAPER_FIGURES.items():
        rows = load_rows(published_storage(f"{PUBLISHED}/{part}"))
        charts |= {name: chart for name, chart in paper_charts(rows).items() if name in shown}
        tables |= {name: table for name, table in paper_tables(rows).items() if name in shown}
    return charts, tables

"""The published rows as a storage, by name."""

import tempfile
from functools import cache
from pathlib import Path

from scaling.store import Storage, write_row_file

PUBLISHED = "published"
PUBLISHED_TABLES = ("table2", "table5", "table6", "table7", "table8", "table9")
PAPER_FIGURES = {  # what the paper draws from a table
    **{"table2": ("table2",), "table5": ("figure3", "table5"), "table6": ("figure5", "table6")},
    **{"table7": ("table7",), "table8": ("table8",), "table9": ("figure2", "table9")},
}


def is_published(place: object) -> bool:
    """Whether a storage's name means the published rows; `./published` is a directory."""
    return place == PUBLISHED or (isinstance(place, str) and place.startswith(f"{PUBLISHED}/"))


def published_storage(name: str = PUBLISHED) -> Storage:
    """The published rows, or one table of them, as files that go when the process does.

    Raises ValueError for a table that there is none of.
    """
    part = name.removeprefix(PUBLISHED).removeprefix("/")
    if part and part not in PUBLISHED_TABLES:
        parts = ", ".join(f"{PUBLISHED}/{each}" for each in PUBLISHED_TABLES)
        raise ValueError(f"no published rows {name!r}: there are {PUBLISHED} and {parts}")
    return Storage(str(Path(_directory(part).name) / PUBLISHED))


@cache
def _directory(part: str) -> tempfile.TemporaryDirectory[str]:
    from analysis.rows.published.tables import rows_of  # here: it reads the studies, which other rows need not

    folder = tempfile.TemporaryDirectory(prefix="published-")
    place = Storage.of(Path(folder.name) / PUBLISHED)
    made = [rows_of(name) for name in ([part] if part else PUBLISHED_TABLES)]
    for table in ("pretrain", "transfer", "fewshot", "attempt"):
        rows = [row for one in made for row in one.get(table, [])]
        if rows:
            write_row_file(place, table, PUBLISHED, rows)
    return folder

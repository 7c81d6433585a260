"""The storage that is called `published`: the paper's tables as rows, in a temporary directory of this process."""

import tempfile
from functools import cache
from pathlib import Path

from analysis.rows.published.printed import PUBLISHED_TABLES
from scaling.store import Storage, write_row_file

PUBLISHED = "published"


def is_published(place: object) -> bool:
    """Whether a storage's name means the published rows; `./published` is a directory."""
    return place == PUBLISHED or (isinstance(place, str) and place.startswith(f"{PUBLISHED}/"))


def published_storage(name: str = PUBLISHED) -> Storage:
    """The published rows, or those of one table (`published/table6`), as files that are deleted with the process.

    Raises ValueError for an unknown table.
    """
    part = name.removeprefix(PUBLISHED).removeprefix("/")
    if part and part not in PUBLISHED_TABLES:
        parts = ", ".join(f"{PUBLISHED}/{each}" for each in PUBLISHED_TABLES)
        raise ValueError(f"no published rows {name!r}: there are {PUBLISHED} and {parts}")
    return Storage(str(Path(_directory(part).name) / PUBLISHED))


@cache
def _directory(part: str) -> tempfile.TemporaryDirectory[str]:
    from analysis.rows.published.tables import rows_of  # here: it imports the studies, which other rows do not need

    folder = tempfile.TemporaryDirectory(prefix="published-")
    place = Storage.of(Path(folder.name) / PUBLISHED)
    parts = [rows_of(name) for name in ([part] if part else PUBLISHED_TABLES)]
    for table in ("pretrain", "transfer", "fewshot", "attempt"):
        rows = [row for tables in parts for row in tables.get(table, [])]
        if rows:
            write_row_file(place, table, PUBLISHED, rows)
    return folder

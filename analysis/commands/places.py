"""Where a command that draws reads its rows, and where it writes."""

from scaling.checks import check
from scaling.console import storage_of
from scaling.store import Storage


def read_and_write_places(storage: str, out: str | None) -> tuple[Storage, Storage]:
    """The storage to read, and where to write. Raises ValueError for published rows without `out`."""
    from analysis.rows import is_published, open_rows

    check(out is not None or not is_published(storage), f"{storage} is not for writing into: give --out DIR")
    place = open_rows(storage)
    return place, place if out is None else storage_of(out)


def names_of(text: str | None) -> list[str] | None:
    """The names in `a,b,...`; None for None."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]

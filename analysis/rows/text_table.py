"""Tables as text, CSV in whatever encoding and with whatever separator it was written: what was taken is said."""

import codecs
import csv
import io
from collections import Counter
from itertools import islice
from pathlib import Path

import polars as pl

from scaling.checks import check, printable, read_regular

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LOOKED_AT = 50  # lines, to find the separator
MARKS = (  # longest first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF8, "UTF-8-SIG"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read_csv(path: str, *, as_text: bool) -> tuple[pl.DataFrame, str]:
    """A table of text with a row of names at its top, and how it was read, in words.

    as_text: every column as it is written; else numbers where all of a column are. Raises ValueError, in one line, for
    what is no such table.
    """
    text, encoding = _decoded(read_regular(path), path)
    separator = _separator(text, Path(path).suffix.lower())
    names = next(csv.reader(io.StringIO(text), delimiter=separator), [])
    twice = [name for name, count in Counter(names).items() if count > 1]
    check(not twice, f"file {path} has several columns called {printable(str(twice[:1])[1:-1])}")
    try:
        # Types are inferred from all rows: the first ones may be whole numbers by chance.
        frame = pl.read_csv(
            text.encode(), separator=separator, infer_schema=not as_text, infer_schema_length=None, null_values=None
        )
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"file {path} cannot be read: {str(error).splitlines()[0]}") from error
    return frame, f"{encoding}, columns separated by {SEPARATORS[separator]}"


def _decoded(content: bytes, path: str) -> tuple[str, str]:
    """The text, and its encoding: by the mark at its beginning, else UTF-8, else Windows-1252."""
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), None)
    if encoding is None and content[1:2] == b"\0":
        encoding = "UTF-16-LE"
    elif encoding is None and content[:1] == b"\0":
        encoding = "UTF-16-BE"
    for each in (encoding,) if encoding else ("UTF-8", "Windows-1252"):
        try:
            text = content.decode(each)
        except UnicodeDecodeError:
            continue
        check("\0" not in text, f"file {path} is no text: it holds zero bytes")
        return text, "UTF-8" if each == "UTF-8-SIG" else each
    raise ValueError(f"file {path} is no text in UTF-8, UTF-16 or Windows-1252: save it as CSV in UTF-8")


def _separator(text: str, suffix: str) -> str:
    """The sign that cuts most of the first lines into as many fields as the top one, and into most of them."""
    lines = "\n".join(islice(text.splitlines(), LOOKED_AT))

    def fields(separator: str) -> tuple[bool, int]:
        rows = [len(row) for row in csv.reader(io.StringIO(lines), delimiter=separator) if row]
        alike = sum(count == rows[0] for count in rows) if rows else 0
        return bool(rows) and 2 * alike > len(rows) and rows[0] > 1, rows[0] if rows else 0

    usual = "\t" if suffix == ".tsv" else ","
    return max((usual, *SEPARATORS), key=fields)  # the usual one where several do as well

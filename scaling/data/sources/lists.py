"""Text files with a name on each line: the lists of `only=` and `without=`, `list:` files, classes.txt.

A name that a plain line cannot hold is written as a JSON string: "#1 \\u00fc\\n.png". That is any with a quotation mark
or a hash at its start, spaces at its ends, a line break, or bytes that are no UTF-8. Plain lines are taken as they are,
less the spaces around them. Files may have a byte order mark, UTF-16, or the line ends of any system.
"""

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json import JSONDecodeError

from scaling.checks import printable
from scaling.data.sources.filesystem import read_bytes

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
LABELS = re.compile(r"(?:\s+[0-9]+)+\s*$")  # at the end of a line of a `list:` file
MOST_BYTES = 2 << 30  # of a list


@dataclass(frozen=True)
class Entry:
    """A line that names something: what it may mean, the likeliest first."""

    line: str
    names: tuple[str, ...]
    comment: bool = False  # it may be no name at all


def list_text(names: Iterable[str], comment: str) -> bytes:
    """The content of a list, which `read_entries` reads as the same names."""
    lines = (f"# {printable(comment)}", *map(quoted, names))
    return "".join(f"{line}\n" for line in lines).encode()


def quoted(name: str) -> str:
    """A name as a line of a list, or as the start of one."""
    plain = name == name.strip() and name.isprintable() and name[:1] not in ("", '"', "#") and not LABELS.search(name)
    return name if plain else json.dumps(name)


def unquoted(text: str) -> tuple[str, str] | None:
    """The name that a line starts with as a JSON string, and the rest of the line; None for a plain line."""
    if not text.startswith('"'):
        return None
    try:
        name, end = json.JSONDecoder().raw_decode(text)
    except JSONDecodeError:
        return None
    return name, text[end:]


def read_lines(path: str, kind: str) -> list[str]:
    """The lines of a text file, empty ones too; bytes that are no UTF-8 become surrogates (PEP 383).

    Raises ValueError, calling the file `kind`, when it cannot be read.
    """
    return text_of(read_bytes(path, kind, MOST_BYTES)).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def text_of(content: bytes) -> str:
    """The text of a file with or without a byte order mark."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    return content.decode("utf-8", "surrogateescape")


def read_entries(path: str, kind: str) -> list[Entry]:
    """The lines of a list of names. Those that begin with '#' are comments, unless something is called so."""
    entries = []
    for line in read_lines(path, kind):
        text = line.strip()
        name = unquoted(text)
        if name and not name[1].strip():
            entries.append(Entry(line, (name[0], text)))
        elif text.startswith("#"):
            # Lists of older versions had such names as they are. '# ' begins a sentence.
            entries += [] if line.startswith("# ") else [Entry(line, (text,), comment=True)]
        elif text:
            entries.append(Entry(line, (text,) if text == line else (line, text)))
    return entries


def read_class_names(path: str, folders: Iterable[str]) -> list[str]:
    """The names in a classes.txt, in its order. A line may have spaces around it, unless a folder is called so."""
    known, names = set(folders), []
    for line in read_lines(path, "class names"):
        text = line.strip()
        name = unquoted(text)
        candidates = (line, text, name[0]) if name and not name[1].strip() else (line, text)
        if text:
            names.append(next((each for each in candidates if each in known), candidates[-1]))
    return names


def meant(entries: Iterable[Entry], found: Mapping[str, int], path: str, example: str) -> list[int]:
    """What each entry names, by what was `found` under its names. Raises ValueError for one that names nothing."""
    numbers = []
    for entry in entries:
        number = next((found[name] for name in entry.names if name in found), None)
        if number is not None:
            numbers.append(number)
        elif not entry.comment:
            name = entry.line.strip()
            raise ValueError(f"list {path} names {name!r}, but no image of the set has that name ({example})")
    return numbers

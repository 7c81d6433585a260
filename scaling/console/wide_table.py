"""Tables that keep their numbers whole: where the terminal is too narrow they go on below, and nothing is cut."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from scaling.checks import printable

BORDER = 3  # characters that a column takes besides its text: a line and two spaces
NUMBER = re.compile(r"[-+±~<>$]?\s?\.?\d|[–-]?$")


@dataclass(frozen=True)
class WideTable:
    """A table of text. rich's own cuts or folds what does not fit, which makes two numbers of one.

    rows: the cells, shown as `printable` has them; an empty row is a line across. labels: the columns at the left that
    say what a row is; only they are folded, at spaces, and they are repeated where the table goes on below. None: those
    that hold no numbers.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int | None = None
    caption: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "headings", tuple(map(printable, self.headings)))
        object.__setattr__(self, "rows", tuple(tuple(map(_one_line, row)) for row in self.rows))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        parts = _parts(self, options.max_width)
        for number, columns in enumerate(parts):
            yield _drawn(
                self,
                columns,
                options.max_width,
                title=self.title if number == 0 else f"{self.title}, continued",
                caption=self.caption if number == len(parts) - 1 else None,
            )


def _one_line(cell: str) -> str:
    return cell if cell.isprintable() else printable(" ".join(cell.split("\n")))


def _drawn(table: WideTable, columns: Sequence[int], width: int, *, title: str, caption: str | None) -> Table:
    """Some columns as rich draws them, at widths that are said: left to itself, rich narrows numbers too."""
    drawn = Table(title=Text(title, style="bold"), title_justify="left", header_style="bold", caption=caption)
    labels = label_columns(table)
    spare = width - 1 - sum(_narrowest(table, place) + BORDER for place in columns)
    for place in columns:
        narrow = _narrowest(table, place)
        natural = max(len(cell) for cell in (table.headings[place], *(row[place] for row in table.rows if row)))
        more = max(0, min(natural - narrow, spare))
        spare -= more
        justify: Any = "left" if place < labels else "right"
        drawn.add_column(Text(table.headings[place]), justify=justify, width=narrow + more, overflow="fold")
    for row in table.rows:
        if row:
            drawn.add_row(*(Text(row[place]) for place in columns))
        else:
            drawn.add_section()
    return drawn


def label_columns(table: WideTable) -> int:
    """How many columns at the left say what a row is: at least one, and at most all but one."""
    if table.labels is not None:
        return table.labels
    count = 0
    while count < len(table.headings) - 1 and not any(NUMBER.match(row[count]) for row in table.rows if row):
        count += 1
    return max(count, 1) if table.rows else 1


def _parts(table: WideTable, width: int) -> list[list[int]]:
    """The columns of each part, the labels in all of them. One that is alone too wide has a part of its own."""
    labels = label_columns(table)
    left = list(range(labels))
    room = width - 1 - sum(_narrowest(table, place) + BORDER for place in left)
    parts: list[list[int]] = [[]]
    used = 0
    for place in range(labels, len(table.headings)):
        needed = _narrowest(table, place) + BORDER
        if parts[-1] and used + needed > room:
            parts.append([])
            used = 0
        parts[-1].append(place)
        used += needed
    return [left + part for part in parts]


def _narrowest(table: WideTable, place: int) -> int:
    """The least width of a column: of a number the whole, of a label and of a heading the longest word."""
    cells = [row[place] for row in table.rows if row]
    if place < label_columns(table):
        cells = [word for cell in cells for word in cell.split()]
    return max((len(text) for text in (*cells, *table.headings[place].split())), default=1)

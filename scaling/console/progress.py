"""Progress of a running study: live bars and tables on a terminal, plain lines in a job's log."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from scaling.specs import Transfer

LINE_SECONDS = 10.0  # s between two plain lines that count units


class View(Protocol):
    """What a command shows of its fine-tunings while they run, besides how many have ended."""

    def begin(self) -> None:
        """A stage begins: read the rows anew."""

    def ended(self, unit: Transfer, error: str) -> str:
        """The unit has ended, with an error or ''. Returns a line that says what came out."""

    def table(self, steps: Mapping[str, int]) -> RenderableType:
        """All fine-tunings as they stand; `steps` are those done by the running ones, by id."""


class Phase:
    """One stage of a study with a number of units."""

    def __init__(self, console: Console, title: str, total: int, bars: Progress | None, view: View | None) -> None:
        self._console, self._total, self._bars, self._view = console, total, bars, view
        self._task = bars.add_task(title, total=total, text="") if bars else None
        self._count, self._started, self._printed = 0, time.monotonic(), time.monotonic()
        self._steps: Mapping[str, int] = {}
        self.follows = bars is not None and view is not None  # whether it shows how far each unit has got

    def __rich__(self) -> RenderableType:
        assert self._bars is not None
        return Group(self._view.table(self._steps), self._bars) if self._view else self._bars

    def line(self, text: str) -> None:
        """Print a line that stays when the bars go."""
        self._console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)

    def advance(self, unit: object = None, error: str = "") -> None:
        """Count one more unit as ended, and say how it ended where that is worth a line."""
        self._count += 1
        outcome = self._view.ended(unit, error) if self._view and isinstance(unit, Transfer) else ""
        if error:
            self.line(f"{outcome or 'failed'}: {error}")
        if self._bars and self._task is not None:
            self._bars.advance(self._task)
        elif outcome and not error:
            self.line(f"{outcome}  ({self._count}/{self._total}, {time.monotonic() - self._started:.0f} s)")
        elif time.monotonic() - self._printed > LINE_SECONDS or self._count == self._total:
            self._printed = time.monotonic()
            self.line(f"{self._count}/{self._total} after {self._printed - self._started:.0f} s")

    def show(self, text: str) -> None:
        """Put a text beside the bar, in the place of the last one."""
        if self._bars and self._task is not None:
            self._bars.update(self._task, text=text)

    def follow(self, steps: Mapping[str, int]) -> None:
        """Take note of the steps that running units have done, by id."""
        self._steps = steps


@contextlib.contextmanager
def phase(console: Console, title: str, total: int, view: View | None = None) -> Iterator[Phase]:
    """Show a stage while the block runs: its bar and table go when it ends, its lines stay."""
    console.print(Text.assemble((title, "bold"), f": {total}"))
    if view:
        view.begin()
    if not console.is_terminal:
        yield Phase(console, title, total, None, view)
        return
    columns = (
        TextColumn(" "),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    stage = Phase(console, title, total, Progress(*columns, console=console), view)
    with Live(stage, console=console, transient=True, vertical_overflow="crop"):
        yield stage

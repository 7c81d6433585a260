"""What people see while a study runs: live bars on a terminal, plain lines in a job's log."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_SECONDS = 10.0  # between two plain lines of counted units


class Phase:
    """One stage of a study with a number of units; `now` is a bar's changing text."""

    def __init__(self, console: Console, title: str, total: int, bars: Progress | None) -> None:
        self._console, self._title, self._total, self._bars = console, title, total, bars
        self._task = bars.add_task(title, total=total, now="") if bars else None
        self._count, self._started, self._printed = 0, time.monotonic(), time.monotonic()

    def line(self, text: str) -> None:
        """A line that stays."""
        self._console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)

    def advance(self, error: str = "") -> None:
        """One unit more is through."""
        self._count += 1
        if error:
            self.line(f"failed: {error}")
        if self._bars and self._task is not None:
            self._bars.advance(self._task)
        elif time.monotonic() - self._printed > LINE_SECONDS or self._count == self._total:
            self._printed = time.monotonic()
            self.line(f"{self._count}/{self._total} after {self._printed - self._started:.0f} s")

    def now(self, text: str) -> None:
        if self._bars and self._task is not None:
            self._bars.update(self._task, now=text)


@contextlib.contextmanager
def phase(console: Console, title: str, total: int) -> Iterator[Phase]:
    """A titled stage; its bar goes when it ends, its lines stay."""
    console.print(f"[bold]{title}[/bold]: {total}")
    columns = (
        TextColumn(" "),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    if not console.is_terminal:
        yield Phase(console, title, total, None)
        return
    with Progress(*columns, console=console, transient=True) as bars:
        yield Phase(console, title, total, bars)

"""A console that shows text as it is: names hold no markup, no emoji codes and no control characters."""

from typing import Any

from rich.console import Console
from rich.text import Text

from scaling.checks import end_notes, printable


class PlainConsole(Console):
    """rich's console, where `[/x]` and `:smile:` are a name's own signs, and an ANSI escape is written as `\\x1b`."""

    def __init__(self, *, quiet: bool = False, width: int | None = None) -> None:
        super().__init__(quiet=quiet, width=width, highlight=False, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich does it; before the first line, the notes that waited for it are said."""
        end_notes(said=True)
        super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich does it; it comes here with all texts: lines, titles and cells."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)

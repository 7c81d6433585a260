"""How the commands print: one JSON value, or tables that fit the terminal."""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

PIPED = 1000  # characters of a line where there is no terminal: tables are as wide as they are


def print_json(value: Any) -> None:
    print(json.dumps(_finite(value), indent=2, allow_nan=False))


def print_table(frame: "pl.DataFrame", title: str) -> None:
    from analysis.tables import to_rich
    from scaling.console import PlainConsole

    console = PlainConsole()
    (console if console.is_terminal else PlainConsole(width=PIPED)).print(to_rich(frame, title))


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

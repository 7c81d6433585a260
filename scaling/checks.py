"""Checks of specs and options. Each raises a ValueError with one line: what must hold, what was given, what to do."""

import re
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check(condition: bool, message: str) -> None:
    """Raise `ValueError(message)` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def check_choices(spec: Any) -> None:
    """Raise ValueError unless the fields of a dataclass that are typed as a Literal hold one of its values."""
    cls: Any = type(spec)
    for name, choices in _choices(cls).items():
        if getattr(spec, name) not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {getattr(spec, name)!r}")


@cache
def _choices(cls: Any) -> dict[str, tuple[Any, ...]]:
    """The values of each field that is typed as a Literal. Cached: searches make thousands of specs."""
    hints = get_type_hints(cls).items()
    return {name: get_args(hint) for name, hint in hints if get_origin(hint) is Literal}


def check_name(kind: str, name: str) -> None:
    """Raise ValueError unless a name, which becomes a path, is of letters, digits and `._+-`.

    So it cannot leave its directory, on any file system. `kind` says what is called so.
    """
    check(bool(NAME.fullmatch(name)), f"{kind} {name!r} must match {NAME.pattern}")

"""What every spec and option is checked by: a condition, a name, a choice. One ValueError, one line."""

import re
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check(condition: bool, message: str) -> None:
    """Raise `ValueError(message)` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def check_choices(spec: Any) -> None:
    """Fields typed as a Literal hold one of its values."""
    cls: Any = type(spec)
    for name, choices in _choices(cls).items():
        if getattr(spec, name) not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {getattr(spec, name)!r}")


@cache
def _choices(cls: Any) -> dict[str, tuple[Any, ...]]:
    """What each field that is a Literal may be."""
    kinds = get_type_hints(cls).items()
    return {name: get_args(kind) for name, kind in kinds if get_origin(kind) is Literal}


def check_name(what: str, name: str) -> None:
    """A name that becomes a path: letters, digits and `._+-`, so that it cannot leave its directory."""
    check(bool(NAME.fullmatch(name)), f"{what} {name!r} must match {NAME.pattern}")

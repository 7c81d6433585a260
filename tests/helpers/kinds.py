"""Values of which a test knows more than their types say."""

from collections.abc import Iterable
from typing import TypeVar

Kind = TypeVar("Kind")


def known(kind: type[Kind], value: object) -> Kind:
    """The value, which is of this kind: an assertion that type checkers read too."""
    assert isinstance(value, kind), f"{kind.__name__} expected, not {type(value).__name__}"
    return value


def all_known(kind: type[Kind], values: Iterable[object]) -> list[Kind]:
    """The values, each of this kind."""
    return [known(kind, value) for value in values]

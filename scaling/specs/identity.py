"""Ids of specs: a hash of every field that decides a result, and JSON there and back."""

import hashlib
import json
from dataclasses import asdict, fields, is_dataclass
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")
OUTSIDE = {"identity": False}  # metadata of a field that is no part of the identity: labels, paths, a search's width


class Identified:
    """Gives a spec its id."""

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the canonical JSON of `identity(self)`."""
        text = json.dumps(self._identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """Kept: the trials of a search all hold the same upstream and task."""
        return _fields(self)

    def __deepcopy__(self: T, memo: object) -> T:
        """Itself, as of a number: it is frozen. Tune copies what a trial is given several times over."""
        return self


def identity(spec: Any) -> Any:
    """The JSON value that an id is the hash of: the class and every field that decides the result."""
    if isinstance(spec, Identified):
        return spec._identity
    if is_dataclass(spec):
        return _fields(spec)
    if isinstance(spec, tuple | list):
        return [identity(item) for item in spec]
    if isinstance(spec, float) and spec.is_integer():
        return int(spec)  # 7 and 7.0 epochs are the same experiment
    return spec


def _fields(spec: Any) -> dict[str, Any]:
    inside = {f.name: identity(getattr(spec, f.name)) for f in fields(spec) if f.metadata.get("identity", True)}
    return {"type": type(spec).__name__, **inside}


def to_json(spec: Any) -> str:
    """The whole spec as JSON text, labels and paths included; `from_json` reads it back."""
    return json.dumps(asdict(spec), sort_keys=True)


def from_json(cls: type[T], text: str) -> T:
    """The spec of class `cls` that `to_json` wrote. Raises ValueError when the text is not one."""
    from pydantic import TypeAdapter, ValidationError  # here: planning should not wait for the import

    try:
        return TypeAdapter(cls).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"not a {cls.__name__}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None

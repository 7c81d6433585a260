"""Ids of specs: a hash of every field that decides a result, and JSON there and back.

To add a field: `field(metadata=added(OLD), default=NEW)`: OLD is what the code did before there was such a field, NEW
is what new studies get, often the same. JSON without it reads as OLD; no id may change: `python -m tests.golden.ids`.
A class that is renamed keeps its old name in its ids: `identity_name: ClassVar[str] = "OldName"`.
"""

import hashlib
import json
from dataclasses import asdict, fields, is_dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

from scaling.checks import check, short

T = TypeVar("T")
OUTSIDE = {"identity": False}  # metadata of a field that is no part of the identity: labels, paths, a search's width
NEUTRAL = "neutral"


def added(neutral: Any) -> dict[str, Any]:
    """Metadata of a field that a spec got after ids of it were stored, in rows and in names of files.

    With the `neutral` value the field is left out of the identity, so that the old ids stay; JSON without the field
    reads as that value, whatever the default is. A field outside the identity needs a default only.
    """
    return {NEUTRAL: neutral}


class Identified:
    """Gives a spec its id."""

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the canonical JSON of `identity(self)`."""
        return hashlib.sha256(_canonical(self._identity).encode()).hexdigest()[:16]

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
    cls: Any = type(spec)
    inside: dict[str, Any] = {"type": vars(cls).get("identity_name", cls.__name__)}  # its own: not a parent's
    for name, neutral in _inside(cls).items():
        value = identity(getattr(spec, name))
        if neutral is None or _canonical(value) != neutral:
            inside[name] = value
    return inside


@cache
def _inside(cls: Any) -> dict[str, str | None]:
    """The fields inside the identity; of those that were added the neutral value, as an id has it."""
    inside = {f.name: f for f in fields(cls) if f.metadata.get("identity", True)}
    for f in fields(cls):
        check(
            f.name in inside or NEUTRAL not in f.metadata,
            f"field {f.name} of {cls.__name__} is OUTSIDE the identity: give it a default, and no neutral value",
        )
    return {
        name: _canonical(identity(f.metadata[NEUTRAL])) if NEUTRAL in f.metadata else None for name, f in inside.items()
    }


def _canonical(value: Any) -> str:
    """JSON text: Python has True == 1, an id has not."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_json(spec: Any) -> str:
    """The whole spec as JSON text, labels and paths included; `from_json` reads it back."""
    return json.dumps(asdict(spec), sort_keys=True)


def from_json(cls: type[T], text: str | bytes) -> T:
    """The spec of class `cls` that `to_json` wrote, today or before fields were added.

    Raises ValueError, in one line, when the text is not one: no JSON, too deeply nested, of other fields or values.
    """
    from pydantic import ValidationError  # here: planning should not wait for the import

    kind: Any = cls
    try:
        spec: T = _reader(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        # A spec's own check names the value; of text that is no JSON, all of it would be given.
        given = "" if first["type"] in ("value_error", "json_invalid", "missing") else f", got {short(first['input'])}"
        said = " ".join(first["msg"].split())
        raise ValueError(f"not a {getattr(kind, '__name__', kind)}: {where}: {said}{given}") from None
    return spec


@cache
def _reader(cls: Any) -> Any:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    return SchemaValidator(_neutral_where_missing(TypeAdapter(cls).core_schema))


def _neutral_where_missing(schema: Any) -> Any:
    """A pydantic schema whose added fields default to their neutral values.

    Done inside the schema, not on the JSON: which class of a union the text is of is pydantic's to find out.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(map(_neutral_where_missing, schema))
    if not isinstance(schema, dict):
        return schema
    schema = {key: part if key == "default" else _neutral_where_missing(part) for key, part in schema.items()}
    if schema.get("type") == "dataclass":
        neutral = {f.name: f.metadata[NEUTRAL] for f in fields(schema["cls"]) if NEUTRAL in f.metadata}
        for argument in schema["schema"]["fields"]:
            if argument["name"] in neutral:
                kind = argument["schema"]
                kind = kind["schema"] if kind["type"] == "default" else kind
                value = neutral[argument["name"]]
                argument["schema"] = {"type": "default", "schema": kind, "default": value, "validate_default": True}
    return schema

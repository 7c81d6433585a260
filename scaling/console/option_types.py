"""How the types of a door's fields are read from a command line, and shown in its help."""

import typing
from collections.abc import Collection
from dataclasses import is_dataclass, replace
from math import isfinite
from types import NoneType, UnionType
from typing import Any

import tyro

from scaling.checks import BITS, short


def _shown(kind: Any, default: Any) -> Any:
    """The type with what `--help` shows of it: several values as `FLOAT ...`, and no default where it is none."""
    settings: dict[str, Any] = {}
    plain, marks = typing.get_args(kind)[0] if _annotated(kind) else kind, getattr(kind, "__metadata__", ())
    repeatable = _marker(tyro.conf.UseAppendAction) in marks
    if default is None or default is False or (default == () and not repeatable):
        settings["help_behavior_hint"] = ""
    values = next((each for each in (plain, *typing.get_args(plain)) if typing.get_origin(each) is tuple), None)
    if values is not None and _marker(tyro.conf.Positional) in marks:
        settings["help_behavior_hint"] = "(required)"
    elif values is not None:
        inner, several = typing.get_args(values)[0], not repeatable
        if typing.get_origin(inner) is tuple:
            inner, several = typing.get_args(inner)[0], True
        settings["metavar"] = _name(inner) + (" ..." if several else "")
    return typing.Annotated[kind, tyro.conf.arg(**settings)] if settings else kind


def _annotated(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Annotated


def _marker(alias: Any) -> Any:
    return alias[int].__metadata__[0]


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return "{" + ",".join(typing.get_args(kind)) + "}"
    return str(kind.__name__).upper()


def plain_types(without: Collection[str] = ()) -> Any:
    """tyro's rules, with `X | None` shown as X, numbers refused in plain words, and defaults that say nothing left out.

    Declared here once, so that no field of a door needs an annotation for it. `without`: fields that are not offered.
    """
    from tyro.constructors import ConstructorRegistry, PrimitiveTypeInfo, StructConstructorSpec, StructTypeInfo

    registry = ConstructorRegistry()
    inside: list[Any] = []  # dataclasses whose fields tyro's own rule is asked for, from within the rule below

    @registry.struct_rule
    def shown(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not is_dataclass(info.type) or info.type in inside:
            return None
        inside.append(info.type)
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            inside.pop()
        if not isinstance(spec, StructConstructorSpec):
            return None
        offered = [each for each in spec.fields if each.name not in without]
        return replace(spec, fields=tuple(replace(each, type=_shown(each.type, each.default)) for each in offered))

    @registry.primitive_rule
    def optional(info: PrimitiveTypeInfo) -> Any:
        kinds = typing.get_args(info.type)
        if info.type_origin not in (typing.Union, UnionType) or len(kinds) != 2 or NoneType not in kinds:
            return None
        kind = next(each for each in kinds if each is not NoneType)
        spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kind, info.markers))
        if isinstance(spec, tyro.constructors.UnsupportedTypeAnnotationError):
            return spec
        return replace(
            spec,
            instance_from_str=lambda words: None if words == ["None"] else spec.instance_from_str(words),
            is_instance=lambda value: value is None or spec.is_instance(value),
            str_from_instance=lambda value: ["None"] if value is None else spec.str_from_instance(value),
            choices=None if spec.choices is None else (*spec.choices, "None"),
        )

    @registry.primitive_rule
    def number(info: PrimitiveTypeInfo) -> Any:
        if info.type not in (int, float):
            return None
        kind, in_words = info.type, {int: "a whole number", float: "a number"}[info.type]

        def read(words: list[str]) -> int | float:
            try:
                value: int | float = kind(words[0])
            except ValueError:
                raise ValueError(f"must be {in_words}, got {words[0]!r}") from None
            if isinstance(value, int) and value.bit_length() >= BITS:
                raise ValueError(f"must be a whole number of 64 bits, got {short(value)}")
            if not isfinite(value):
                raise ValueError(f"must be a finite number, got {words[0]!r}")
            return value

        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar={int: "INT", float: "FLOAT"}[kind],
            instance_from_str=read,
            is_instance=lambda value: isinstance(value, kind) and not isinstance(value, bool),
            str_from_instance=lambda value: [str(value)],
        )

    return registry

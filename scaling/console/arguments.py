"""Command lines made from frozen dataclasses: flags, `--help`, and mistakes in one line.

A door is a dataclass: its docstring is a sentence and two examples (indented lines), its fields are the flags, their
docstrings the help. `parse` and `parse_command` are the only places that know the parser (tyro).
"""

import difflib
import functools
import operator
import re
import sys
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]


def program_name() -> str:
    """This process's command as one types it: `python -m scaling.evaluate`, `python scaling/run_study.py`."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if module is not None and not sys.argv[0].endswith("pytest"):
        return f"python -m {module.name.removesuffix('.__main__')}"
    script = Path(sys.argv[0]).resolve()
    return f"python {script.relative_to(ROOT) if script.is_relative_to(ROOT) else script.name}"


def parse(
    options: type[T],
    arguments: Sequence[str],
    *,
    program: str,
    renamed: Mapping[str, str] | None = None,
    abbreviate: bool = False,
) -> T:
    """The options that the arguments say.

    renamed: flags that had another name, old to new. abbreviate: take beginnings of flags for the flag, where only one
    begins so. Raises ValueError, in one line, for what does not fit; prints the help and exits for `--help`.
    """
    try:
        words = _current_spelling(arguments, options, renamed or {}, abbreviate)
    except ValueError as error:
        raise ValueError(f"{error}; see {program} --help") from None
    return typing.cast(T, _tyro(options, words, program, _help_text(options.__doc__ or "")))


def parse_command(
    commands: Mapping[str, type[T]], summary: str, arguments: Sequence[str], *, program: str, abbreviate: bool = False
) -> T:
    """The options of the command that the first argument names, as `parse` would read the rest.

    summary: what `--help` says before the list of commands.
    """
    import tyro

    if arguments and arguments[0] in commands:
        name = arguments[0]
        return parse(commands[name], arguments[1:], program=f"{program} {name}", abbreviate=abbreviate)
    if arguments and not arguments[0].startswith("-"):
        near = difflib.get_close_matches(arguments[0], commands, 1)
        choices = f"did you mean {near[0]}?" if near else f"there are {', '.join(commands)}"
        raise ValueError(f"no command {arguments[0]}: {choices}; see {program} --help")
    # The list of commands alone: each command has a parser of its own, so that its help holds its own examples.
    listed: list[Any] = [
        typing.Annotated[options, tyro.conf.subcommand(name=name, description=_sentence(options))]
        for name, options in commands.items()
    ]
    union = functools.reduce(operator.or_, listed)
    return typing.cast(T, _tyro(union, arguments, program, _help_text(summary)))


def _help_text(docstring: str) -> str:
    """The docstring with its examples, the lines that begin with `python`, under a heading and with their breaks."""
    lines: list[str] = []
    for line in map(str.strip, cleandoc(docstring).splitlines()):
        example = line.startswith("python ")
        if example and not lines[-1].startswith("  "):
            lines.append("examples:")
        lines.append(f"  {line}" if example else line)
    return "\n".join(lines)


def _sentence(options: type) -> str:
    return " ".join(cleandoc(options.__doc__ or "").partition("\n\n")[0].split())


def _tyro(options: Any, words: Sequence[str], program: str, text: str) -> Any:
    import tyro  # here: workers, which load this package for its trackers, parse no command line
    from tyro import _errors

    def refuse(event: _errors.ParseErrorEvent) -> None:
        said = _mistake(event)
        if said is not None:
            raise ValueError(f"{said}; see {event.prog} --help")

    config = (tyro.conf.PositionalMetavarFromFieldName, tyro.conf.FlagCreatePairsOff)
    with _errors.on_parse_error(refuse):
        return tyro.cli(
            options, prog=program, description=text, args=list(words), config=config, registry=_plain_types()
        )


# --- spellings -----------------------------------------------------------------------------------------------------


def _known_flags(options: Any) -> dict[str, bool]:
    """The flags of a dataclass and of those inside it; of each, whether it stands alone (a switch)."""
    flags: dict[str, bool] = {}
    for name, kind, _ in _option_fields(options):
        flags[f"--{name.replace('_', '-')}"] = kind is bool
    return flags


def _option_fields(options: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = typing.get_type_hints(options)
    for field in fields(options):
        kind = hints[field.name]
        if is_dataclass(kind):
            yield from _option_fields(kind)
        else:
            yield field.name, kind, field.default


def check_flags(options: Any, used: Collection[str], way: str) -> None:
    """Raise ValueError for a flag that would be ignored: one that is not `used` and not at its default.

    way: what ignores it, such as `--plan`.
    """
    for name, default, value in _values(options):
        if name not in used and value != default:
            raise ValueError(f"--{name.replace('_', '-')} does not go with {way}: leave it out")


def _values(options: Any) -> Iterator[tuple[str, Any, Any]]:
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            yield from _values(value)
        else:
            yield field.name, field.default, value


def _current_spelling(
    arguments: Sequence[str], options: Any, renamed: Mapping[str, str], abbreviate: bool
) -> list[str]:
    """The arguments with today's flags: renamed ones, abbreviations, and `--no-SWITCH`, which takes a switch back."""
    flags = _known_flags(options)
    words: list[str] = []
    for place, word in enumerate(arguments):
        if word == "--":  # all after it are values
            return [*words, *arguments[place:]]
        name, equals, value = word.partition("=")
        name = name.replace("_", "-") if name.startswith("--") else name
        name = renamed.get(name, name)
        if flags.get(f"--{name.removeprefix('--no-')}") and name.startswith("--no-"):
            switch = f"--{name.removeprefix('--no-')}"
            words = [earlier for earlier in words if earlier != switch]
            continue
        if abbreviate and name.startswith("--") and name not in flags:
            longer = [flag for flag in flags if flag.startswith(name)]
            name = longer[0] if len(longer) == 1 else name
        if name.startswith("--") and name not in flags and not name.startswith(("--help", "--tyro-")):
            raise ValueError(_unknown(name, flags))  # before tyro looks for a flag's values or a missing flag
        words.append(f"{name}{equals}{value}" if word.startswith("--") else word)
    return words


# --- mistakes ------------------------------------------------------------------------------------------------------


def _mistake(event: Any) -> str | None:
    """What the user got wrong, in a line; None for what tyro may bring later, which it says itself."""
    from tyro import _errors

    match event:
        case _errors.UnrecognizedArgs():
            return f"there is no place for {' '.join(event.tokens)}"
        case _errors.MissingArgs():
            return f"{' and '.join(_flag(each.arg) for each in event.missing_arguments)} must be given"
        case _errors.MissingSubcommand():
            return f"a command must be given: {', '.join(event.subcommand_spec.parser_from_name)}"
        case _errors.BadValue():
            if event.argument.is_positional():
                return f"{_flag(event.argument)} must be given"
            return f"{_flag(event.argument)} must be followed by a value, {event.argument.lowered.metavar}"
        case _errors.InvalidChoice():
            choices = ", ".join(choice for choice in event.choices if choice != "None")
            return f"{_flag(event.argument)} must be one of {choices}, got {event.value!r}"
        case _errors.InstantiationFailure():
            return _refused(event.message, event.argument)
    return None


def _refused(message: str, argument: Any) -> str:
    """A value that its type does not take."""
    if argument is None:
        return message
    words = re.search(r"valid parse for arguments: \[(.*)\]", message)  # of several values, tyro names no single one
    if words is None:
        return f"{_flag(argument)} {message}"
    return f"{_flag(argument)} must be {argument.lowered.metavar}, got {words[1]}"


def _flag(argument: Any) -> str:
    """The flag, or the name of a value without one."""
    if argument.is_positional():
        return str(argument.lowered.metavar).strip("[]")
    return str(argument.lowered.name_or_flags[-1])


def _unknown(flag: str, flags: Mapping[str, bool]) -> str:
    near = difflib.get_close_matches(flag, flags, 1)
    return f"no flag {flag}" + (f" (did you mean {near[0]}?)" if near else "")


# --- how types are read and shown ----------------------------------------------------------------------------------


def _shown(kind: Any, default: Any) -> Any:
    """The type with what `--help` shows of it: several values as `FLOAT ...`, and no default where it is none."""
    import tyro

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


def _plain_types() -> Any:
    """tyro's rules, with `X | None` shown as X, numbers refused in plain words, and defaults that say nothing left out.

    Declared here once, so that no field of a door needs an annotation for it.
    """
    import tyro
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
        return replace(spec, fields=tuple(replace(each, type=_shown(each.type, each.default)) for each in spec.fields))

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
        kind, said = info.type, {int: "a whole number", float: "a number"}[info.type]

        def read(words: list[str]) -> int | float:
            try:
                return kind(words[0])
            except ValueError:
                raise ValueError(f"must be {said}, got {words[0]!r}") from None

        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar={int: "INT", float: "FLOAT"}[kind],
            instance_from_str=read,
            is_instance=lambda value: isinstance(value, kind) and not isinstance(value, bool),
            str_from_instance=lambda value: [str(value)],
        )

    return registry

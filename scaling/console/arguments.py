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
from dataclasses import fields, is_dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Any, TypeVar

from scaling.checks import MOST, check

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
    without: Collection[str] = (),
    abbreviate: bool = False,
) -> T:
    """The options that the arguments say.

    renamed: flags that had another name, old to new. without: fields that are not offered, and keep their defaults.
    abbreviate: take beginnings of flags for the flag, where only one begins so. Raises ValueError, in one line, for
    what does not fit; prints the help and exits for `--help`.
    """
    try:
        words = _current_spelling(arguments, _known_flags(options, without), renamed or {}, abbreviate)
    except ValueError as error:
        raise ValueError(f"{error}; see {program} --help") from None
    return typing.cast(T, _tyro(options, words, program, _help_text(options.__doc__ or ""), without))


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


def _tyro(options: Any, words: Sequence[str], program: str, text: str, without: Collection[str] = ()) -> Any:
    import tyro  # here: workers, which load this package for its trackers, parse no command line
    from tyro import _errors

    from scaling.console.option_types import plain_types

    def refuse(event: _errors.ParseErrorEvent) -> None:
        said = _mistake(event)
        if said is not None:
            raise ValueError(f"{said}; see {event.prog} --help")

    config = (tyro.conf.PositionalMetavarFromFieldName, tyro.conf.FlagCreatePairsOff)
    with _errors.on_parse_error(refuse):
        return tyro.cli(
            options, prog=program, description=text, args=list(words), config=config, registry=plain_types(without)
        )


# --- spellings -----------------------------------------------------------------------------------------------------


def _known_flags(options: Any, without: Collection[str]) -> dict[str, bool]:
    """The flags of a dataclass and of those inside it; of each, whether it stands alone (a switch)."""
    flags: dict[str, bool] = {}
    for name, kind, _ in _option_fields(options):
        if name not in without:
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


def check_flags(
    options: Any, way: str, *, used: Collection[str] | None = None, ignored: Collection[str] | None = None
) -> None:
    """Raise ValueError for a flag that would be ignored and is not at its default.

    way: what ignores it, such as `--plan`. ignored: the names of such fields; used: those of all others.
    """
    for name, default, value in _values(options):
        lost = name in ignored if ignored is not None else name not in (used or ())
        if lost and value != default:
            raise ValueError(f"--{name.replace('_', '-')} does not go with {way}: leave it out")


def check_flag(name: str, value: float | None, *, zero: bool = False) -> None:
    """Raise ValueError unless a flag that is given is positive (or `zero`) and within MOST; `name` as a field's."""
    if value is None:
        return
    flag = f"--{name.replace('_', '-')}"
    wanted = "not be negative" if zero else "be positive"
    check(value > 0 or (zero and value == 0), f"{flag} must {wanted}, got {value}")
    check(value <= MOST[name], f"{flag} must be at most {MOST[name]:,}, got {value}")


def _values(options: Any) -> Iterator[tuple[str, Any, Any]]:
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            yield from _values(value)
        else:
            yield field.name, field.default, value


def _current_spelling(
    arguments: Sequence[str], flags: Mapping[str, bool], renamed: Mapping[str, str], abbreviate: bool
) -> list[str]:
    """The arguments with today's flags: renamed ones, abbreviations, and `--no-SWITCH`, which takes a switch back."""
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

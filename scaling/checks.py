"""Checks of specs and options. Each raises a ValueError with one line: what must hold, what was given, what to do.

Also what a message is made of: names that can be shown, and notes that are said once.
"""

import errno
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check(condition: bool, message: str) -> None:
    """Raise `ValueError(message)` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def check_types(spec: Any) -> None:
    """The fields of a dataclass hold what their annotations say: values of Literals, numbers, names, other specs.

    A list passes for a tuple, and an integer for a float. What is annotated otherwise is not looked at. Values stay as
    they are, so that ids do.
    """
    cls: Any = type(spec)
    for name, kind in _annotations(cls).items():
        value = getattr(spec, name)
        if not _fits(value, kind):
            if get_origin(kind) is Literal:
                raise ValueError(f"{name} must be one of {', '.join(map(str, get_args(kind)))}, got {value!r}")
            raise ValueError(f"{name} of {cls.__name__} must be {_wanted(kind)}, got {_short(value)}")


@cache
def _annotations(cls: Any) -> dict[str, Any]:
    """The annotation of each field; cached, since searches make many specs of few classes."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in inner
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        if inner[1:] == (...,):
            return all(_fits(each, inner[0]) for each in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if kind is float:
        return isinstance(value, int | float)
    if kind in (int, str, bool, NoneType) or is_dataclass(kind):
        return isinstance(value, kind)
    return True


def _wanted(kind: Any) -> str:
    """The annotation in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        *others, last = map(_wanted, inner)
        return f"{', '.join(others)} or {last}"
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple:
        return f"a tuple of {' and '.join(_wanted(each) for each in inner if each is not ...)}"
    return str({int: "an integer", float: "a number", str: "a string", NoneType: "None"}.get(kind, kind.__name__))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a value of type {type(value).__name__}"


def check_name(kind: str, name: str) -> None:
    """Raise ValueError unless a name, which becomes a path, is of letters, digits and `._+-`.

    So it cannot leave its directory, on any file system. `kind` says what is called so.
    """
    check(bool(NAME.fullmatch(name)), f"{kind} {name!r} must match {NAME.pattern}")


def check_regular(path: str | Path) -> None:
    """Raise ValueError for a path that exists and is no regular file: opening a FIFO, for one, waits for ever.

    For what opens files itself, by their paths: `read_regular` is safer where the bytes are enough.
    """
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return  # who opens it says why it cannot
    if not stat.S_ISREG(mode):
        raise _irregular(path, mode)


def read_regular(path: str | Path, most: int | None = None) -> bytes:
    """The bytes of a regular file, or of a link to one.

    Raises ValueError for anything else that has a name, such as a FIFO, a socket, a device or a directory, and for a
    file of more than `most` bytes; OSError when there is no such file, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # to open a FIFO would wait for a writer
    except OSError as error:
        if error.errno == errno.ENXIO:  # of sockets, and of devices that are not there
            raise _irregular(path, Path(path).stat().st_mode) from None
        raise
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise _irregular(path, about.st_mode)
        if most is not None and about.st_size > most:
            raise ValueError(f"{path} has {about.st_size:,} bytes, where {most:,} are the most that can be right")
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _irregular(path: str | Path, mode: int) -> ValueError:
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a directory"}
    return ValueError(f"{path} is {kinds.get(stat.S_IFMT(mode), 'a device')}, where a file is needed")


def printable(text: str) -> str:
    """A text as it can be shown on a terminal: control characters, which may move the cursor or change colours, line
    breaks, signs that turn the direction of writing, and bytes that are no UTF-8 are written as escapes.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(sign: str) -> str:
    if 0xDC80 <= ord(sign) <= 0xDCFF:  # a byte of a file's name that is no UTF-8 (PEP 383)
        return f"\\x{ord(sign) - 0xDC00:02x}"
    # Of what is not printable, spaces of other widths and the joiners of emoji are harmless.
    harmless = sign.isprintable() or unicodedata.category(sign) == "Zs" or sign in "\u200c\u200d"
    return sign if harmless else sign.encode("unicode_escape", "surrogatepass").decode()


def say(notes: Iterable[str]) -> None:
    """Print each note as a line on standard error, once in this process."""
    for note in notes:
        _say(note)


@cache
def _say(note: str) -> None:
    print(f"note: {printable(note)}", file=sys.stderr)

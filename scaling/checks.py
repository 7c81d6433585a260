"""Checks of specs and options. Each raises a ValueError with one line: what must hold, what was given, what to do.

Also what a message is made of: names that can be shown, and notes that are said once.
"""

import errno
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
LONG, LONG_NAME = 60, 200  # characters of a value that a message shows whole, and of a name, at most
BITS = 64
LARGEST_INTEGER = 2 ** (BITS - 1) - 1
LARGEST = sys.float_info.max


def check(condition: bool, message: str) -> None:
    """Raise `ValueError(message)` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def as_tuples(spec: Any, *names: str) -> None:
    """Put tuples in place of the lists, ranges, arrays and generators in these fields of a frozen dataclass.

    What is none of them stays, for `check_types` to name: of a text, or a mapping, each letter or key would be one.
    """
    for name in names:
        value = getattr(spec, name)
        if not isinstance(value, tuple | str | bytes | Mapping) and isinstance(value, Iterable):
            object.__setattr__(spec, name, tuple(value))


def check_types(spec: Any) -> None:
    """The fields of a dataclass hold what their annotations say: values of Literals, numbers, names, other specs.

    A list passes for a tuple, and an integer for a float; a truth value for no number. Integers have 64 bits, as in the
    rows. What is annotated otherwise is not looked at. Values stay as they are, so that ids do.
    """
    cls: Any = type(spec)
    for name, kind, fits in _annotations(cls):
        value = getattr(spec, name)
        if not fits(value):
            if get_origin(kind) is Literal:
                raise ValueError(f"{name} must be one of {', '.join(map(str, get_args(kind)))}, got {short(value)}")
            several = value if isinstance(value, tuple | list) else (value,)
            size = " of 64 bits" if any(isinstance(each, int) and each.bit_length() >= BITS for each in several) else ""
            raise ValueError(f"{name} of {cls.__name__} must be {_wanted(kind)}{size}, got {short(value)}")


# The largest that a field can be meant to be, in size, by its name. What is beyond it is a slip, and would be planned
# without a word, or fill the memory when the model is built.
MOST = {
    "epochs": 10**6,
    **dict.fromkeys(("base_lr", "base_lrs", "convolutional_base_lrs", "end_lr"), 10**3),
    **dict.fromkeys(("weight_decay", "mixup", "cutmix"), 10**3),
    "head_bias": 10**6,
    **dict.fromkeys(("grad_clip", "l2", "low", "high", "values"), 10**12),
    **dict.fromkeys(("steps", "warmup_steps", "first", "timescale"), 10**9),
    **dict.fromkeys(("batch_size", "microbatch", "mlp_dim", "representation_size"), 2**20),
    **dict.fromkeys(("resolution", "final_resolution", "resize", "patch_size", "num_heads"), 2**13),
    **dict.fromkeys(("width", "groups"), 2**17),
    **dict.fromkeys(("depth", "depths", "loaders"), 10**4),
    **dict.fromkeys(("num_train", "num_test", "subset"), 10**12),
    "num_classes": 10**7,
    **dict.fromkeys(("shots", "evaluations", "early_stopping", "shuffle_window", "trials", "factor"), 10**6),
    "generation": 10**4,
    # flags of commands that are no field of a spec
    **dict.fromkeys(("max_batch_size", "images", "rollouts", "components"), 2**20),
    **dict.fromkeys(("threads", "processes"), 10**4),
    "seconds": 3600,
    "memory": 10**6,  # GiB
    "hang_seconds": 10**7,
}


def check_numbers(spec: Any) -> None:
    """The numbers in a dataclass's fields, and in its tuples of numbers, are finite and within MOST."""
    cls: Any = type(spec)
    for name, most in _numeric(cls):
        value = getattr(spec, name)
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, int | float) and not -most <= each <= most:
                label = getattr(spec, "name", cls.__name__)
                finite = isinstance(each, int) or isfinite(each)
                wanted = f"at most {most:,}" if finite else "finite"
                raise ValueError(f"{name} of {label} must be {wanted}, got {short(value)}")


@cache
def _annotations(cls: Any) -> tuple[tuple[str, Any, Callable[[Any], bool]], ...]:
    """Of each field its name, annotation and check; cached, since searches make many specs of few classes."""
    hints = get_type_hints(cls)
    return tuple((field.name, hints[field.name], _check_of(hints[field.name])) for field in fields(cls))


@cache
def _numeric(cls: Any) -> tuple[tuple[str, float], ...]:
    """The fields that may hold numbers, and the largest of each."""
    return tuple((name, MOST.get(name, LARGEST)) for name, kind, _ in _annotations(cls) if _holds_numbers(kind))


def _holds_numbers(kind: Any) -> bool:
    return kind in (int, float) or any(map(_holds_numbers, get_args(kind) if get_origin(kind) is not Literal else ()))


def _check_of(kind: Any) -> Callable[[Any], bool]:
    """Whether a value is what an annotation says."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return lambda value: any(isinstance(value, type(each)) and value == each for each in inner)
    if origin in (Union, UnionType):
        checks = tuple(map(_check_of, inner))
        return lambda value: any(fits(value) for fits in checks)
    if origin is tuple and inner[1:] == (...,):
        fits = _check_of(inner[0])
        return lambda value: isinstance(value, tuple | list) and all(map(fits, value))
    if origin is tuple:
        parts = tuple(map(_check_of, inner))
        return lambda value: (
            isinstance(value, tuple | list)
            and len(value) == len(parts)
            and all(fits(each) for fits, each in zip(parts, value, strict=True))
        )
    if kind is int:
        return _is_integer
    if kind is float:
        return lambda value: isinstance(value, float) or _is_integer(value)
    if kind in (str, bool, NoneType) or is_dataclass(kind):
        return lambda value: isinstance(value, kind)
    return lambda value: True


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -LARGEST_INTEGER <= value <= LARGEST_INTEGER


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


def short(value: Any) -> str:
    """A value as a message shows it: its type, where the whole would be long."""
    if isinstance(value, int) and value.bit_length() > 3 * LONG:
        return f"an integer of {value.bit_length():,} bits"
    try:
        text = repr(value)
    except Exception:  # of a user's own class, or of integers with more digits than Python writes
        text = "\n"
    return text if len(text) <= LONG and "\n" not in text else f"a value of type {type(value).__name__}"


def check_label(kind: str, label: str) -> None:
    """Raise ValueError unless a name for people is of one line that can be printed, and not long."""
    check(
        0 < len(label) <= LONG_NAME and label.isprintable() and label.strip() != "",
        f"{kind} {short(label)} must be printable, on one line, up to {LONG_NAME} characters",
    )


def check_name(kind: str, name: str) -> None:
    """Raise ValueError unless a name, which becomes a path, is of letters, digits and `._+-`.

    So it cannot leave its directory, on any file system. `kind` says what is called so.
    """
    check(bool(NAME.fullmatch(name)), f"{kind} {short(name)} must match {NAME.pattern}")
    check(len(name) <= LONG_NAME, f"{kind} {name[:LONG]!r}... has more than {LONG_NAME} characters")


def check_regular(path: str | Path, most: int | None = None) -> None:
    """Raise ValueError for a path that exists and is no regular file, or has more than `most` bytes.

    Opening a FIFO, for one, waits for ever. For what opens files itself, by their paths: `read_regular` is safer where
    the bytes are enough.
    """
    try:
        about = Path(path).stat()
    except OSError:
        return  # who opens it says why it cannot
    _check_regular(path, about, most)


def read_regular(path: str | Path, most: int | None = None) -> bytes:
    """The bytes of a regular file, or of a link to one.

    Raises ValueError for anything else that has a name, such as a FIFO, a socket, a device or a directory, and for a
    file of more than `most` bytes; OSError when there is no such file, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # to open a FIFO would wait for a writer
    except OSError as error:
        if error.errno == errno.ENXIO:  # of sockets, and of devices that are not there
            _check_regular(path, Path(path).stat(), most)
        raise
    try:
        _check_regular(path, os.fstat(descriptor), most)
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _check_regular(path: str | Path, about: os.stat_result, most: int | None) -> None:
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a directory"}
    kind = kinds.get(stat.S_IFMT(about.st_mode), "a device")
    check(stat.S_ISREG(about.st_mode), f"{path} is {kind}, where a file is needed")
    if most is not None and about.st_size > most:
        raise ValueError(f"{path} has {about.st_size:,} bytes, where {most:,} are the most that can be right")


def named_error(error: BaseException) -> str:
    """An error of other code in one line: its class and its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


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


@dataclass
class _Notes:
    """The notes of this process: those that were said, and those that wait until its command is known to be right."""

    said: set[str]
    waiting: list[str] | None = None  # None: none has to wait
    elsewhere: Callable[[str], object] | None = None  # where else they are said


_NOTES = _Notes(set())


def say(notes: Iterable[str]) -> None:
    """Print each note as a line on standard error, once in this process; in a command, when it begins to print."""
    for note in notes:
        if note not in _NOTES.said:
            _NOTES.said.add(note)
            if _NOTES.waiting is None:
                print(f"note: {printable(note)}", file=sys.stderr)
                if _NOTES.elsewhere is not None:
                    _NOTES.elsewhere(note)
            else:
                _NOTES.waiting.append(note)


def pass_on_notes(to: Callable[[str], object]) -> None:
    """Send this process's notes there too: nobody reads the standard error of a cluster's worker."""
    _NOTES.elsewhere = to


def hold_notes() -> None:
    """Let notes wait: a mistake in a command is one line, and what was noted on the way to it is not asked for."""
    _NOTES.waiting = []


def end_notes(*, said: bool) -> None:
    """Notes wait no longer. Those that do are said, or, where a mistake ended the command, forgotten."""
    waiting, _NOTES.waiting = _NOTES.waiting or [], None
    _NOTES.said -= set(waiting)
    say(waiting if said else ())

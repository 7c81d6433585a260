"""Studies by name or by the path of a user's file, whole or cut down to some models."""

import contextlib
import fnmatch
import importlib.util
import os
import pkgutil
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import search_spaces
from scaling.checks import check, check_regular, short
from scaling.specs import Study, from_json
from search_spaces.named import ALONE, check_named

LARGEST_FILE, LARGEST_JSON = 2**24, 2**28  # bytes of a study file, and of a stored study
SECONDS = "STUDY_SECONDS"  # environment variable: how long a study file may take to make its values


def study_names() -> list[str]:
    """The studies of `search_spaces`: its modules that hold a STUDY."""
    modules = [module.name for module in pkgutil.iter_modules(search_spaces.__path__)]
    return [name for name in modules if hasattr(importlib.import_module(f"search_spaces.{name}"), "STUDY")]


def load_study(place: str, miniature: bool = False) -> Study:
    """The value STUDY of a module of `search_spaces`, by name, or of the user's own file, by path; or its MINIATURE; or
    the study that a storage holds, by the path or URI of its study.json.

    Raises ValueError, in one line, for an unknown name, a file that cannot be run, with the line in it that is to
    blame, or one without a Study of that name.
    """
    if place.endswith(".json"):
        if miniature:
            raise ValueError(f"--miniature is for a study of search_spaces or of your own; {place} is run as it is")
        return check_named(_stored_study(place))
    module = _read(_module_of(place), place)
    name = "MINIATURE" if miniature else "STUDY"
    study = vars(module).get(name)
    if not isinstance(study, Study):
        found = "" if study is None else f": it is {short(study)}"
        raise ValueError(f"study {place} has no {name} = Study(...){found}")
    return check_named(study)


class _TooLongError(BaseException):
    """A study file does not come to its end. Not an Exception: the file's own `except` must not take it."""


def _read(spec: ModuleSpec, place: str) -> ModuleType:
    """The module, run. Raises ValueError, in one line with the line of the file, for all that ends it otherwise."""
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if not spec.name.startswith(f"{search_spaces.__name__}."):
        sys.modules[spec.name] = module  # where the functions that the study names are looked for
    seconds = _seconds()
    try:
        with _at_most(seconds):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file can also end the process, by sys.exit
        where = _line_of(error, spec.origin)
        match error:
            case ValueError():
                why = f": {error}"
            case SyntaxError():
                where = f", line {error.lineno}" if error.filename == spec.origin and error.lineno else where
                why = f": {type(error).__name__}: {error.msg}"
            case SystemExit():
                why = f" ends the process, by sys.exit({short(error.code)}): a study file makes values"
            case _TooLongError():
                why = f" is not at its end after {seconds:g} s: a study file makes values ({SECONDS} gives it longer)"
            case _:
                why = f" cannot be read: {type(error).__name__}: {error}"
        raise ValueError(" ".join(f"study {place}{where}{why}".split())) from None
    return module


def _seconds() -> float:
    text = os.environ.get(SECONDS, "15")
    check(re.fullmatch(r"\d+(\.\d+)?", text) is not None, f"{SECONDS} must be a number of seconds, got {text!r}")
    return float(text)


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise _TooLongError inside after so many seconds (0: never), and again each second, in case it is caught there.

    Only the main thread has signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> NoReturn:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _module_of(place: str) -> ModuleSpec:
    """Where the code of a study is: a module of `search_spaces` or a user's file."""
    path = Path(place)
    spec = importlib.util.find_spec(f"search_spaces.{place}") if place.isidentifier() else None
    if spec is not None:
        return spec
    if path.is_dir():
        inside = path / "study.json"
        hint = f"give the study that it holds, {inside}" if inside.is_file() else "give a study's name or file"
        raise ValueError(f"{place} is a directory: {hint}")
    if path.suffix != ".py" and "/" not in place:
        names = ", ".join(study_names())
        raise ValueError(
            f"unknown study {place!r}: take one of {names}, or the path of a .py file or of a storage's study.json"
        )
    if not path.exists():
        raise ValueError(f"study file {place} not found")
    check_regular(path, LARGEST_FILE)
    spec = importlib.util.spec_from_file_location(_importable(path), path.absolute())
    if spec is None or path.suffix != ".py":
        raise ValueError(f"study file {place} must be a .py file that holds STUDY = Study(...), or a study.json")
    return spec


def _importable(path: Path) -> str:
    """The name under which a study's file can be imported, as a script's: its folder is put on the path.

    A file whose name is another module's gets one under which it cannot.
    """
    folder = str(path.absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    if not path.stem.isidentifier():
        return f"{ALONE}{path.stem}"
    try:
        found = importlib.util.find_spec(path.stem)
    except ValueError:  # a module without a place of its own, such as __main__
        found = None
    return path.stem if found and found.origin == str(path.absolute()) else f"{ALONE}{path.stem}"


def _stored_study(place: str) -> Study:
    """The study that a run left in its storage, by the path or URI of the file."""
    from scaling.store import Storage

    folder, _, name = place.rpartition("/")
    storage = Storage.of(folder or ".")
    if not storage.exists(name):
        raise ValueError(f"study file {place} not found")
    if storage.local is not None:
        check_regular(storage.local / name, LARGEST_JSON)
    try:
        return from_json(Study, storage.read(name))
    except ValueError as error:
        raise ValueError(f"study {place}: {error}") from None


def _line_of(error: BaseException, file: str | None) -> str:
    """The last line of the user's file that led to the error: specs check themselves deeper down."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    return f", line {lines[-1]}" if lines else ""


def select_models(study: Study, pattern: str | None) -> Study:
    """The study with only those models whose name matches a shell pattern, such as 'ViT-*'."""
    if pattern is None:
        return study
    runs = tuple(run for run in study.runs if fnmatch.fnmatchcase(run.name, pattern))
    if not runs:
        raise ValueError(
            f"--only {pattern!r} matches none of {', '.join(dict.fromkeys(run.name for run in study.runs))}"
        )
    return replace(study, runs=runs, scratch=tuple(s for s in study.scratch if fnmatch.fnmatchcase(s.name, pattern)))

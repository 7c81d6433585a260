"""Studies by name or by the path of a user's file, whole or cut down to some models."""

import fnmatch
import importlib.util
import pkgutil
import traceback
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import search_spaces
from scaling.specs import Study, from_json


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
        return _stored_study(place)
    spec = _module_of(place)
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ValueError as error:
        raise ValueError(f"study {place}{_line_of(error, spec.origin)}: {error}") from None
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.filename == spec.origin else _line_of(error, spec.origin)
        raise ValueError(f"study {place}{where}: {type(error).__name__}: {error.msg}") from None
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"study {place}{_line_of(error, spec.origin)} cannot be read: {why}") from None
    name = "MINIATURE" if miniature else "STUDY"
    study = getattr(module, name, None)
    if not isinstance(study, Study):
        raise ValueError(f"study {place} has no {name} = Study(...)")
    return study


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
    if not path.is_file():
        raise ValueError(f"study file {place} not found")
    spec = importlib.util.spec_from_file_location(f"study_{path.stem}", path.absolute())
    if spec is None:
        raise ValueError(f"study file {place} must be a .py file that holds STUDY = Study(...), or a study.json")
    return spec


def _stored_study(place: str) -> Study:
    """The study that a run left in its storage, by the path or URI of the file."""
    from scaling.store import Storage

    folder, _, name = place.rpartition("/")
    storage = Storage.of(folder or ".")
    if not storage.exists(name):
        raise ValueError(f"study file {place} not found")
    try:
        return from_json(Study, storage.read(name).decode())
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

"""Studies by name or by the path of a user's file, whole or cut down to some models."""

import fnmatch
import importlib.util
import pkgutil
from dataclasses import replace
from pathlib import Path

import search_spaces
from scaling.specs import Study


def study_names() -> list[str]:
    """The studies of `search_spaces`: its modules that hold a STUDY."""
    found = [module.name for module in pkgutil.iter_modules(search_spaces.__path__)]
    return [name for name in found if hasattr(importlib.import_module(f"search_spaces.{name}"), "STUDY")]


def load_study(place: str, miniature: bool = False) -> Study:
    """The value STUDY of a module of `search_spaces`, by name, or of the user's own file, by path; or its MINIATURE.

    Raises ValueError for an unknown name, a file that cannot be run, or one without a Study of that name.
    """
    path = Path(place)
    if path.suffix == ".py" or "/" in place:
        if not path.is_file():
            raise ValueError(f"study file {place} not found")
        spec = importlib.util.spec_from_file_location(f"study_{path.stem}", path)
    else:
        spec = importlib.util.find_spec(f"search_spaces.{place}") if place.isidentifier() else None
        if spec is None:
            raise ValueError(
                f"unknown study {place!r}: take one of {', '.join(study_names())}, or the path of a .py file"
            )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ValueError as error:
        raise ValueError(f"study {place}: {error}") from None
    except Exception as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        raise ValueError(f"study {place} cannot be read: {line}{type(error).__name__}: {error}") from None
    value = "MINIATURE" if miniature else "STUDY"
    study = getattr(module, value, None)
    if not isinstance(study, Study):
        raise ValueError(f"study {place} has no {value} = Study(...)")
    return study


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

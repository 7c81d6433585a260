"""A study as a value: found by name or path, cut down to some models, filled in from its data, and its fine-tunings."""

import fnmatch
import hashlib
import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import search_spaces
from scaling.candidates import Pair
from scaling.datasets import resolve
from scaling.specs import Dataset, FewShot, Pretrain, Setting, Study, Transfer, Upstream


def names() -> list[str]:
    """The studies of `search_spaces`: its modules that hold a STUDY."""
    found = [module.name for module in pkgutil.iter_modules(search_spaces.__path__)]
    return [name for name in found if hasattr(importlib.import_module(f"search_spaces.{name}"), "STUDY")]


def load(place: str, miniature: bool = False) -> Study:
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
            raise ValueError(f"unknown study {place!r}: take one of {', '.join(names())}, or the path of a .py file")
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


def select(study: Study, pattern: str | None) -> Study:
    """The study with only those models whose name matches a shell pattern, such as 'ViT-*'."""
    if pattern is None:
        return study
    runs = tuple(run for run in study.runs if fnmatch.fnmatchcase(run.name, pattern))
    if not runs:
        raise ValueError(
            f"--only {pattern!r} matches none of {', '.join(dict.fromkeys(run.name for run in study.runs))}"
        )
    return replace(study, runs=runs, scratch=tuple(s for s in study.scratch if fnmatch.fnmatchcase(s.name, pattern)))


def resolved(study: Study) -> Study:
    """The study with every data set's counts and fingerprint, and every released file's hash.

    Raises ValueError when data or files are missing.
    """
    seen: dict[Dataset, Dataset] = {}

    def filled(data: Dataset) -> Dataset:
        key = replace(data)
        if key not in seen:
            seen[key] = resolve(data)
        return seen[key]

    def watched(few: FewShot | None) -> FewShot | None:
        return few and replace(few, data=filled(few.data))

    return replace(
        study,
        runs=tuple(_counted(replace(run, data=filled(run.data), fewshot=watched(run.fewshot))) for run in study.runs),
        tasks=tuple(replace(task, data=filled(task.data)) for task in study.tasks),
        fewshot=tuple(replace(few, data=filled(few.data)) for few in study.fewshot),
        released=tuple(replace(each, sha256=each.sha256 or _sha256(each.source)) for each in study.released),
    )


def _counted(run: Pretrain) -> Pretrain:
    """The run with its subset as a number of images: a share of them and their number are the same experiment."""
    return replace(run, subset=run.num_images) if isinstance(run.subset, float) else run


def _sha256(source: str) -> str:
    import fsspec  # here: most studies have no files to hash

    try:
        with fsspec.open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ImportError) as error:
        raise ValueError(f"weights {source} cannot be read: {' '.join(str(error).split())}") from None


def upstreams(study: Study) -> tuple[Upstream, ...]:
    """All that is transferred from: the runs, the controls that start from scratch, and the weights from elsewhere."""
    return (*study.runs, *study.scratch, *study.released)


def pairs(study: Study) -> list[Pair]:
    """Every upstream with every task, to search for the setting of."""
    return [Pair(upstream, task, study.seeds[0]) for upstream in upstreams(study) for task in study.tasks]


def final_runs(pair: Pair, settings: Sequence[Setting], seeds: tuple[int, ...]) -> list[Transfer]:
    """The repetitions at the chosen settings, on all training images."""
    return [Transfer(pair.upstream, pair.task, setting, seed, "final") for setting in settings for seed in seeds]

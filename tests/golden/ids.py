"""Ids that are stored somewhere, in rows and in names of files, and so may never change: `ids.tsv`, which only grows.

    python -m tests.golden.ids            says what differs from the file, exit code 1 if anything does
    python -m tests.golden.ids --add      adds what the file lacks; it never changes a line, nor takes one away

An id is a hash of a spec's fields, so what changes one of these (a field's default, a renamed class, another order of
settings) makes a finished study start again. `scaling.specs.identity` says how a spec grows without that.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import search_spaces
from scaling.data import resolve_study
from scaling.schedule import Pair, fixed_settings
from scaling.specs import (
    ZOO,
    Choice,
    FewShot,
    Halving,
    Pretrain,
    Probe,
    Released,
    Scratch,
    Setting,
    Study,
    Task,
    Transfer,
    Upstream,
    family,
    with_parameters,
)
from search_spaces.grids import TASKS, adjusted, own_task
from search_spaces.quickstart import STUDY as QUICKSTART
from search_spaces.regularization import SEARCHES
from search_spaces.vtab import vtab_tasks
from tests.golden.fields import Key, Line, field_ids

FILE = Path(__file__).with_name("ids.tsv")


def ids() -> dict[Key, str]:
    """The ids of today's code: every paper study at both sizes, fine-tunings of each kind, the zoo, and each field."""
    by_key: dict[Key, str] = {}
    for key, spec_id in (*_studies(), *_finetunings(), *_zoo(), *field_ids()):
        assert by_key.setdefault(key, spec_id) == spec_id, f"two specs are called {key}"
    return by_key


def read(file: Path = FILE) -> dict[Key, str]:
    """The file's ids. A line is where, kind, what and id, with tabs between."""
    lines = [line.split("\t") for line in file.read_text().splitlines()] if file.is_file() else []
    return {(where, kind, what): found for where, kind, what, found in lines}


def differences(golden: dict[Key, str], today: dict[Key, str]) -> tuple[list[str], list[str]]:
    """What is broken, a line each: ids that changed or that the code makes no more; and what the file lacks."""
    broken = [
        f"{' '.join(key)}: was {found}, is {today.get(key, 'not made any more')}"
        for key, found in golden.items()
        if today.get(key) != found
    ]
    return broken, [" ".join(key) for key in today if key not in golden]


def write(file: Path, lines: dict[Key, str]) -> None:
    file.write_text("".join("\t".join((*key, lines[key])) + "\n" for key in sorted(lines)))


def _studies() -> Iterator[Line]:
    for module in pkgutil.iter_modules(search_spaces.__path__):
        found = importlib.import_module(f"search_spaces.{module.name}")
        for name in ("STUDY", "MINIATURE"):
            if isinstance(study := getattr(found, name, None), Study):
                yield from _study(resolve_study(study))


def _study(study: Study) -> Iterator[Line]:
    upstreams: tuple[Upstream, ...] = (*study.runs, *study.scratch, *study.released)
    for upstream in upstreams:
        yield (study.name, type(upstream).__name__, _called(upstream)), upstream.id
        for few in study.fewshot:
            yield (study.name, "Probe", f"{_called(upstream)}: {few.data.name}"), Probe(upstream, few).id
    for task in study.tasks:
        yield (study.name, "Task", task.name), task.id
        first = {(type(each), family(each.model)): each for each in reversed(upstreams)}
        for upstream in upstreams:  # of each family one in full, of the others one final run
            whole = upstream in first.values()
            yield from _transfers(study.name, Pair(upstream, task, study.seeds[0]), study.seeds, whole)


def _transfers(where: str, pair: Pair, seeds: tuple[int, ...], whole: bool = True) -> Iterator[Line]:
    settings = _settings(pair)[: None if whole else 1]
    for setting in settings:
        yield (where, "Setting", f"{pair.task.name}: {_how(setting)}"), setting.id
        what = f"{_called(pair.upstream)}: {pair.task.name}, {_how(setting)}"
        if whole:
            yield (where, "Transfer", f"dev {what}"), pair.dev(setting).id
    for seed in seeds if whole else seeds[:1]:
        final = Transfer(pair.upstream, pair.task, settings[0], seed, "final")
        yield (where, "Transfer", f"final {_called(pair.upstream)}: {pair.task.name}, seed {seed}"), final.id


def _settings(pair: Pair) -> list[Setting]:
    """The grid, and the corners of what is searched besides: what Optuna proposes is not ours to promise."""
    search, settings = pair.task.search, fixed_settings(pair)
    if search is not None:
        ends = {name: what.values if isinstance(what, Choice) else (what.low, what.high) for name, what in search.space}
        settings += [
            with_parameters(pair.task.own, {name: each[end] for name, each in ends.items()}) for end in (0, -1)
        ]
    return list(dict.fromkeys(settings))


def _called(upstream: Upstream) -> str:
    if isinstance(upstream, Pretrain):
        return f"{upstream.name}, {upstream.epochs:g} epochs of {upstream.data.name}, seed {upstream.seed}"
    return f"{upstream.name}, seed {upstream.seed}"


def _how(setting: Setting) -> str:
    recipe = setting.recipe
    return (
        f"{setting.base_lr:g} {recipe.schedule}, {setting.steps} x {recipe.batch_size}, {setting.resolution} px, "
        f"decay {recipe.weight_decay:g}, dropout {recipe.dropout:g}, smoothing {recipe.label_smoothing:g}"
    )


def _finetunings() -> Iterator[Line]:
    """What `scaling.finetune_grid` makes of its options: each kind of task, on each kind of checkpoint."""
    study = resolve_study(replace(QUICKSTART, tasks=tuple(_finetuning_tasks())))
    whole: tuple[Upstream, ...] = (study.runs[0], study.runs[3])  # a ViT and a ResNet
    others: tuple[Upstream, ...] = (study.runs[6], *study.scratch, *_released())
    for upstream in whole:
        for task in study.tasks:
            yield ("finetune", "Task", task.name), task.id
            yield from _transfers("finetune", Pair(upstream, task, 0), (0, 1))
    for upstream in others:
        for task in study.tasks[:4]:
            yield from _transfers("finetune", Pair(upstream, task, 0), (0, 1))
        few = FewShot(study.tasks[0].data, (1, 5, 10, 25), resolution=study.tasks[0].resolution)
        yield ("finetune", "Probe", f"{_called(upstream)}: {few.data.name}"), Probe(upstream, few).id


def _finetuning_tasks() -> Iterator[Task]:
    digits = TASKS["digits"]
    yield from sorted(TASKS.values(), key=lambda task: task.name not in ("digits", "fashion"))
    yield replace(adjusted(digits, steps=60, resolution=32, batch_size=16), name="adjusted")
    yield replace(adjusted(TASKS["cifar10"], steps=60, resolution=32), name="adjusted-bit")
    for name, search in SEARCHES.items():
        yield replace(digits, name=name, search=search(digits, 24, 0))
    yield replace(digits, name="halving", base_lrs=(0.05, 0.1, 0.2), halving=Halving(10))
    yield replace(digits, name="final-resolution", final_resolution=32, final_polyak=0.999, keep=True)
    yield replace(digits, name="skip", data=replace(digits.data, corrupt="skip"))
    yield own_task("own")
    yield from vtab_tasks()


def _released() -> Iterator[Released]:
    for name in ("ViT-B/16", "BiT-R50x1"):
        yield Released(name, ZOO[name], "weights.npz", "0123456789abcdef" * 4)


def _zoo() -> Iterator[Line]:
    """Every model, as the from-scratch baseline."""
    yield from ((("zoo", "Scratch", name), Scratch(name, model).id) for name, model in ZOO.items())


def main(arguments: list[str], file: Path = FILE) -> int:
    golden, today = read(file), ids()
    broken, new = differences(golden, today)
    for line in broken:
        print(f"changed: {line}")
    for line in new:
        print(f"new: {line}")
    added = arguments == ["--add"]
    if added:
        write(file, today | golden)  # what is there stays as it is
    print(
        f"{file.name} had {len(golden)} ids: {len(broken)} changed, {len(new)} {'added' if added else 'are not in it'}"
    )
    return 1 if broken or (new and not added) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

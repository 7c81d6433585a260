"""Ids that are stored somewhere, in rows and in names of files, and so may never change: `ids.tsv`, which only grows.

    python -m tests.golden.ids            says what differs from the file, exit code 1 if anything does
    python -m tests.golden.ids --add      adds what the file lacks; it never changes a line, nor takes one away

An id is a hash of a spec's fields, so what changes one of these (a field's default, a renamed class, another order of
settings) makes a finished study start again. `scaling.identity` says how a spec grows without that.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import search_spaces
from scaling.data import resolve_study as resolved
from scaling.schedule import Pair
from scaling.schedule import fixed_settings as fixed
from scaling.specs import (
    FINETUNE,
    ZOO,
    Choice,
    Dataset,
    FewShot,
    Halving,
    MaskedPatches,
    Pretrain,
    Probe,
    Recipe,
    Released,
    ResNet,
    Scratch,
    Setting,
    Study,
    Task,
    Transfer,
    Upstream,
    ViT,
    family,
    with_parameters,
)
from search_spaces.grids import TASKS, adjusted, own_task
from search_spaces.quickstart import STUDY as QUICKSTART
from search_spaces.regularization import SEARCHES
from search_spaces.vtab import vtab_tasks

FILE = Path(__file__).with_name("ids.tsv")
Key = tuple[str, str, str]  # where the spec comes from, its kind, what it is
Line = tuple[Key, str]


def ids() -> dict[Key, str]:
    """The ids of today's code: every paper study at both sizes, fine-tunings of each kind, the zoo, and each field."""
    made: dict[Key, str] = {}
    for key, found in (*_studies(), *_finetunings(), *_zoo(), *_fields()):
        assert made.setdefault(key, found) == found, f"two specs are called {key}"
    return made


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
                yield from _study(resolved(study))


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
    search, settings = pair.task.search, fixed(pair)
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
    study = resolved(replace(QUICKSTART, tasks=tuple(_finetuning_tasks())))
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
    """Every model, as the control without pre-training."""
    yield from ((("zoo", "Scratch", name), Scratch(name, model).id) for name, model in ZOO.items())


VIT, RESNET = ViT(4, 32, 2, 64, 2), ResNet((1, 1), width=64)
DATA = Dataset("pictures", num_classes=10, num_train=1000, num_test=100, fingerprint="0123456789abcdef")
RUN = Pretrain("tiny", VIT, DATA, 1e-3, 2.5, Recipe(batch_size=100), resolution=16, dev_fraction=0.1)
TASK = Task("birds", DATA, (0.01,), 20, FINETUNE, resolution=16)
FEWSHOT = FewShot(DATA, (5,), resolution=16)
CHANGED: dict[Any, list[dict[str, Any]]] = {  # each field that is in an id, at a value that is not its default
    RUN.recipe: [
        {"optimizer": "sgd"},
        {"batch_size": 64},
        {"warmup_steps": 5},
        {"schedule": "cosine"},
        {"end_lr": 0.0},
        {"schedule": "steps", "decay_at": (0.5, 0.75)},
        {"weight_decay": 0.03},
        {"decayed": "all"},
        {"momentum": 0.5},
        {"betas": (0.8, 0.99)},
        {"dropout": 0.1},
        {"grad_clip": 1},
        {"loss": "softmax"},
        {"label_smoothing": 1e-4},
        {"mixup": 0.1},
        {"polyak": 0.999},
        {"head_bias": 0.0},
        {"crop": "none"},
        {"min_crop_area": 0.5},
        {"crop": "random", "resize": 20},
        {"flip": False},
    ],
    VIT: [
        {"patch_size": 8},
        {"width": 64},
        {"depth": 3},
        {"mlp_dim": 128},
        {"num_heads": 4},
        {"representation_size": 32},
        {"pool": "gap"},
        {"positions": "2d"},
        {"positions_at": "every_layer"},
        {"pool": "gap", "attention": "axial"},
        {"kind": "vit"},
    ],
    RESNET: [
        {"depths": (1, 2)},
        {"width": 128},
        {"stem": "small"},
        {"groups": 16},
        {"activation": "pre"},
        {"spatial": "axial"},
        {"num_heads": 4},
        {"kind": "resnet"},
    ],
    DATA: [
        {"name": "photographs"},
        {"num_classes": 11},
        {"num_train": 1001},
        {"num_test": None},
        {"fingerprint": None},
        {"corrupt": "skip"},
    ],
    MaskedPatches(): [{"target": "pixels"}, {"corrupted": 0.15}, {"masked": 0.5}, {"random": 0.2}, {"bits": 2}],
    FEWSHOT: [
        {"data": replace(DATA, fingerprint=None)},
        {"shots": (1, 5)},
        {"seeds": (0,)},
        {"l2": 1.5},
        {"resolution": 32},
    ],
    RUN: [
        {"model": RESNET},
        {"data": replace(DATA, fingerprint=None)},
        {"base_lr": 1 / 3},
        {"epochs": 1e3 / 7},
        {"recipe": FINETUNE},
        {"resolution": 32},
        {"seed": 1},
        {"dev_fraction": 0.02},
        {"subset": 500},
        {"evaluations": 3},
        {"early_stopping": 2},
        {"masked": MaskedPatches()},
        {"shuffle": "shards"},
        {"shuffle_window": 8},
    ],
    TASK: [
        {"name": "flowers"},
        {"data": replace(DATA, fingerprint=None)},
        {"steps": 30},
        {"recipe": Recipe()},
        {"dev_fraction": 0.2},
        {"resolution": 32},
        {"final_resolution": 32},
        {"final_polyak": 0.9999},
    ],
    TASK.own: [{"base_lr": 1e-9}, {"steps": 30}, {"resolution": 32}, {"recipe": Recipe()}],
}


def _fields() -> Iterator[Line]:
    """Each field of each spec but for its usual value, in the id of something that is stored."""
    for spec, changes in CHANGED.items():
        for change in ({}, *changes):
            what = ", ".join(
                f"{name}={value}" for name, value in change.items() if isinstance(value, str | int | float)
            )
            what = what or ", ".join(change) or "as it is"
            yield ("fields", type(spec).__name__, what), _stored(replace(spec, **change)).id


def _stored(spec: Any) -> Any:
    """The smallest thing with an id that holds the spec."""
    match spec:
        case Recipe():
            return replace(RUN, recipe=spec)
        case ViT() | ResNet():
            return Scratch("tiny", spec)
        case Dataset():
            return replace(RUN, data=spec)
        case MaskedPatches():
            return replace(RUN, masked=spec)
        case FewShot():
            return Probe(RUN, spec)
        case _:
            return spec


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

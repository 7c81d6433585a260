"""The work of the fault campaign: a tiny study's units, done one after the other as a driver without Ray would."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clusters.execution.perform import unit_call
from clusters.execution.work import Work
from scaling.console.cli import exit_code
from scaling.data.resolve import resolve
from scaling.specs.execution import Execution
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Upstream
from scaling.specs.recipe import MaskedPatches
from scaling.specs.search import Halving
from scaling.specs.study import Probe, Task, Transfer
from scaling.store.lease import lease
from scaling.store.leftovers import clear_finished
from scaling.store.results import checkpoint_name
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.images import pictures, write_parquet
from tests.helpers.specs import RECIPE, TINY, TUNING, at

STUDY = "faults"


@dataclass(frozen=True)
class Job:
    """Units that are done one after the other, and what is there before them."""

    name: str
    data: Dataset
    works: tuple[Work, ...]
    before: tuple[Work, ...] = ()  # units that are done already: a fine-tuning has an upstream


def jobs(data: Dataset, seed: int = 0) -> list[Job]:
    """Pre-training, early stopping, trials on rungs, a final run whose weights are kept, few-shot evaluation."""
    run = Pretrain("tiny", TINY, data, 1e-3, 1.2, RECIPE, resolution=16, dev_fraction=0.2, evaluations=2, seed=seed)
    averaged = replace(run, recipe=replace(RECIPE, polyak=0.9), seed=seed + 1)
    stopped = replace(run, base_lr=1e-6, epochs=3.0, evaluations=4, early_stopping=1, seed=seed + 2)
    masked = replace(run, masked=MaskedPatches(), seed=seed + 3)
    task = Task("task", data, (0.01, 0.1), 8, TUNING, dev_fraction=0.25, resolution=16, keep=True)
    rungs = replace(task, halving=Halving(2, 2))
    probe = Probe(run, FewShot(data, shots=(1, 3), seeds=(seed,), resolution=16))
    transfers = [_transfer(run, task, seed, phase) for phase in ("dev", "final")]
    climbing = [Work(_transfer(run, rungs, seed + 1, "dev"), until=until) for until in (2, 4, 8)]
    done = (Work(run),)
    return [
        Job("pre-training", data, (Work(averaged),)),
        Job("early stopping", data, (Work(stopped),)),
        Job("masked", data, (Work(masked),)),
        Job("fine-tuning", data, tuple(map(Work, transfers)), done),
        Job("rungs", data, tuple(climbing), done),
        Job("few-shot", data, (Work(probe),), done),
    ]


def _transfer(run: Upstream, task: Task, seed: int, phase: Any) -> Transfer:
    return Transfer(run, task, at(task, 0.1), seed, phase)


def made_data(folder: Path) -> Dataset:
    """Forty images of four classes to train on, twelve to test on, outside the storage."""
    import numpy as np

    classes = list("abcd")
    train = write_parquet(folder / "train.parquet", pictures(40), np.arange(40) % 4, classes)
    test = write_parquet(folder / "test.parquet", pictures(12), np.arange(12) % 4, classes)
    return resolve(Dataset("made", train, test))


def drive(place: Path | str, works: Sequence[Work], **beats: float) -> None:
    """What a driver does: take the storage, do every unit that has no row, in order. `beats` are of the lease."""
    storage = Storage.of(place)
    storage.make()
    with lease(storage, STUDY, **beats) as held:
        clear_finished(held)
        do(held, works)


def do(storage: Storage, works: Sequence[Work]) -> None:
    """Do every unit that has no row."""
    for work in works:
        upstream = getattr(work.unit, "upstream", None)
        checkpoint = storage.path(checkpoint_name(upstream.id)) if upstream is not None else None
        call = unit_call(
            replace(work, checkpoint=checkpoint),
            storage=storage,
            study=STUDY,
            device=local_device(Execution("fp32"), 1),
            report=lambda step, metrics: None,
            save_seconds=0,
        )
        call()


def command(place: Path | str, works: Sequence[Work], errors: Path | None = None, **beats: float) -> None:
    """`drive` as a front door would: the process ends with its exit code, its words go to a file."""
    if errors is not None:
        sys.stderr = errors.open("a")

    def main() -> int:
        drive(place, works, **beats)
        return 0

    code = exit_code(main, goes_on=True)
    sys.stderr.flush()
    sys.exit(code)

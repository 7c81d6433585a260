"""A unit is done once: whoever is told to do it again finds its rows."""

from dataclasses import replace
from typing import Any

import pytest

from clusters.execution.perform import unit_call
from clusters.execution.work import Work
from scaling.specs.pretraining import FewShot, Pretrain, Scratch
from scaling.specs.study import Probe, Task, Transfer
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device


def run(work: Work, storage: Storage) -> dict[str, Any] | None:
    return unit_call(
        work, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None, save_seconds=60
    )()


@pytest.mark.parametrize("kind", ["pretrain", "transfer", "fewshot"])
def test_a_unit_with_rows_is_not_done_again(kind: str, tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> None:
    control = Scratch("tiny", tiny_run.model)
    units: dict[str, Pretrain | Transfer | Probe] = {
        "pretrain": replace(tiny_run, epochs=0.2),
        "transfer": Transfer(control, tiny_task, tiny_task.own, 0, "final"),
        "fewshot": Probe(control, FewShot(tiny_run.data, (1,), (0,), resolution=16)),
    }
    rows = [run(Work(units[kind]), storage) for _ in range(2)]
    assert rows[0] == rows[1] or kind != "transfer"
    assert frames.read_table(storage, kind).height == 1
    assert frames.read_table(storage, "attempt").height == 1


def test_a_trial_goes_on_from_rung_to_rung_once_each(tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> None:
    trial = Transfer(Scratch("tiny", tiny_run.model), tiny_task, tiny_task.own, 0, "dev")
    for until, steps_done, attempts in ((2, 2, 1), (2, 2, 1), (4, 4, 2), (2, 4, 2), (6, 6, 3), (6, 6, 3)):
        row = run(Work(trial, until=until), storage)
        assert row is not None
        assert row["steps_done"] == steps_done
        assert frames.read_table(storage, "attempt").height == attempts

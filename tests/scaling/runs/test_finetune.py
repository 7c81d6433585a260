"""One fine-tuning: dev trials keep off the test set, final runs read it, controls start afresh."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from scaling.checkpoints.formats import save_npz
from scaling.checkpoints.upstream import read_weights
from scaling.data.pipeline.loading import Stream
from scaling.data.pipeline.preprocessing import Batch
from scaling.data.resolve import resolve, resolve_study
from scaling.data.sources.read import open_split
from scaling.models import build, load_pretrained
from scaling.randomness import holdout
from scaling.runs.finetune import dev_split, finetune
from scaling.runs.pretrain import pretrain
from scaling.specs.pretraining import Pretrain, Released, Scratch
from scaling.specs.study import Study, Task, Transfer
from scaling.store import frames, results
from scaling.store.results import row_file
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.specs import at


def ignore(step: int, metrics: dict[str, Any]) -> None:
    pass


def run(transfer: Transfer, storage: Storage, checkpoint: str | None = None) -> dict[str, Any]:
    return finetune(transfer, checkpoint=checkpoint, storage=storage, study="x", device=local_device(), report=ignore)


@pytest.fixture
def checkpoint(tiny_run: Pretrain, storage: Storage) -> str:
    pretrain(tiny_run, storage=storage, study="x", device=local_device(), report=ignore)
    return storage.path(f"checkpoints/{tiny_run.id}/final")


def test_a_dev_trial_never_opens_the_test_set(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, checkpoint: str
) -> None:
    hidden = replace(tiny_task, data=replace(tiny_task.data, test="parquet:/not/there"))
    trial = Transfer(tiny_run, hidden, at(hidden, 0.1), 0, "dev")
    run(trial, storage, checkpoint)
    (row,) = frames.read_table(storage, "trial").to_dicts()
    assert (row["trial_id"], row["run_id"], row["task"], row["base_lr"]) == (trial.id, tiny_run.id, "fractals", 0.1)
    assert row["pretrained"]
    assert 0 <= row["dev_top1"] <= 1
    assert row["dev_loss"] > 0
    assert results.finished_ids(storage, "transfer") == set()
    with pytest.raises(ValueError, match="/not/there"):
        run(replace(trial, phase="final"), storage, checkpoint)


def test_a_dev_trial_trains_on_no_image_of_its_dev_split(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[int]] = {"dev": set(), "final": set()}
    module = import_module("scaling.runs.finetune")

    original = module.batches

    def spy(start: int, stop: int, *, stream: Stream, **options: Any) -> Iterator[Batch]:
        seen[phase] |= set(stream.index[np.arange(len(stream.index))].tolist())
        made: Iterator[Batch] = original(start, stop, stream=stream, **options)
        return made

    monkeypatch.setattr(module, "batches", spy)
    for phase in ("dev", "final"):
        run(Transfer(tiny_run, tiny_task, at(tiny_task, 0.1), 0, phase), storage, checkpoint)
    _, dev = holdout(96, tiny_task.dev_fraction, 0)
    assert len(dev) == 24
    assert not seen["dev"] & set(dev.tolist())
    assert seen["final"] == set(range(96))


def test_an_official_dev_split_takes_the_place_of_a_random_one(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, checkpoint: str
) -> None:
    data = replace(tiny_task.data, dev=f"{tiny_task.data.train}?part=80:96", fingerprint=None)
    official = replace(tiny_task, data=resolve(data))
    assert official.id != tiny_task.id
    assert official.data.train is not None
    index, dev = dev_split(open_split(official.data.train, storage), official, storage)
    assert isinstance(index, np.ndarray)
    assert (index.tolist(), dev.tolist()) == (list(range(80)), list(range(80, 96)))
    row = run(Transfer(tiny_run, official, at(official, 0.1), 0, "dev"), storage, checkpoint)
    assert row["dev_top1"] * 16 == pytest.approx(round(row["dev_top1"] * 16))  # of 16 images


def test_repeating_a_transfer_gives_the_same_row_and_another_seed_another(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, checkpoint: str
) -> None:
    final = Transfer(tiny_run, replace(tiny_task, steps=20), at(replace(tiny_task, steps=20), 0.1), 0, "final")
    assert run(final, storage, checkpoint) == run(final, storage, checkpoint)
    assert frames.read_table(storage, "transfer").height == 1
    assert (
        run(replace(final, seed=1), storage, checkpoint)["train_loss"] != run(final, storage, checkpoint)["train_loss"]
    )


def test_a_control_needs_no_checkpoint_and_starts_elsewhere_with_each_seed(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    control = Transfer(Scratch("tiny", tiny_run.model), tiny_task, at(tiny_task, 0.1), 0, "final")
    rows = [run(replace(control, seed=seed), storage) for seed in (0, 1)]
    assert not any(row["pretrained"] for row in rows)
    assert rows[0]["train_loss"] != rows[1]["train_loss"]


def test_a_checkpoint_that_is_not_there_is_named(tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> None:
    with pytest.raises(ValueError, match=r"/nowhere is no checkpoint: it has no model\.safetensors"):
        run(Transfer(tiny_run, tiny_task, at(tiny_task, 0.1), 0, "dev"), storage, "/nowhere")
    (row,) = frames.read_table(storage, "attempt").to_dicts()
    assert row["outcome"] == "failed"
    assert np.isfinite(row["seconds_total"])


def test_weights_from_elsewhere_start_as_the_run_that_made_them(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, checkpoint: str
) -> None:
    module = build(tiny_run.model, 4, resolution=16)
    load_pretrained(module, read_weights(Storage.of(checkpoint)))
    file = storage.path("weights.npz")
    save_npz(module, file)
    released = resolve_study(Study("x", (), (tiny_task,), released=(Released("tiny", tiny_run.model, file),))).released[
        0
    ]
    rows = [
        run(Transfer(upstream, tiny_task, at(tiny_task, 0.1), 0, "dev"), storage, given)
        for upstream, given in ((tiny_run, checkpoint), (released, None))
    ]
    assert rows[0]["dev_loss"] == rows[1]["dev_loss"]
    assert rows[1]["pretrained"]


def test_a_trial_whose_row_is_lost_climbs_its_rungs_again(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its checkpoint is of a later rung than the one that it begins with, and is no use."""
    trial = Transfer(Scratch("tiny", tiny_run.model), replace(tiny_task, steps=9), at(tiny_task, 0.1), 0, "dev")
    common: dict[str, Any] = {"checkpoint": None, "study": "x", "device": local_device(), "report": ignore}
    rows = [finetune(trial, storage=storage, until=step, **common) for step in (2, 5)]
    storage.write(row_file("trial", trial.id), b"")  # as a loss of power may leave it
    assert [finetune(trial, storage=storage, until=step, **common) for step in (2, 5)] == rows
    assert "is empty: it counts as absent" in capsys.readouterr().err


def test_a_trial_that_pauses_ends_as_one_that_does_not(tiny_run: Pretrain, tiny_task: Task, storage: Storage) -> None:
    task = replace(tiny_task, steps=9)
    trial = Transfer(Scratch("tiny", tiny_run.model), task, at(task, 0.1), 0, "dev")
    other = Storage.of(storage.path("other"))

    def until(step: int | None, place: Storage) -> dict[str, Any]:
        common: dict[str, Any] = {"checkpoint": None, "study": "x", "device": local_device(), "report": ignore}
        return finetune(trial, storage=place, until=step, **common)

    assert until(2, storage)["rung_steps"] == [2]
    paused = until(5, storage)
    assert (paused["steps_done"], paused["rung_steps"]) == (5, [2, 5])
    assert until(5, storage) == paused  # again, after a kill before its row
    whole, ended = until(None, other), until(None, storage)
    assert ended["rung_steps"] == [2, 5, 9]
    assert {**ended, "rung_steps": [9], "rung_dev_top1": whole["rung_dev_top1"]} == whole
    assert storage.list(f"checkpoints/{trial.id}") == []

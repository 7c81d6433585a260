"""Custom models through every kind of work: pre-training with batch norm, resumed and by two workers, and transfer."""

import operator
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from scaling.checkpoints.classifier import load_classifier
from scaling.checkpoints.fit import check_upstream
from scaling.checkpoints.upstream import read_weights
from scaling.data.sources.read import open_split
from scaling.models.build import build
from scaling.runs.fewshot import probe
from scaling.runs.finetune import finetune
from scaling.runs.pretrain import pretrain, split
from scaling.schedule.counted import count_study
from scaling.specs.identity import from_json, to_json
from scaling.specs.models import Custom
from scaling.specs.pretraining import FewShot, Pretrain, Scratch
from scaling.specs.study import Probe, Study, Task, Transfer
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.evaluation import accuracy
from scaling.training.ledger import TrainingInterruptedError
from tests.helpers import models
from tests.helpers.specs import at
from tests.helpers.workers import start_workers

MODELS = [Custom(models.convnet), Custom(models.BiasedMLP), Custom(models.LikeTimm)]


def counted(run: Pretrain, *tasks: Task) -> Pretrain:
    return count_study(Study("x", (run,), tasks)).runs[0]


@pytest.fixture
def run(tiny_run: Pretrain) -> Pretrain:
    """24 steps of a network with batch norm, and a running average of its weights."""
    return counted(replace(tiny_run, model=MODELS[0], recipe=replace(tiny_run.recipe, polyak=0.8)))


def train(run: Pretrain, storage: Storage, stop: Callable[[int], bool] = lambda step: False) -> None:
    def report(step: int, metrics: dict[str, Any]) -> bool:
        return stop(step)

    pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=0.0)


def weights_of(run: Pretrain, storage: Storage) -> dict[str, torch.Tensor]:
    return read_weights(Storage.of(storage.path(f"checkpoints/{run.id}/final")))


def digest(run: Pretrain, storage: Storage) -> Any:
    return frames.read_table(storage, "pretrain").filter(run_id=run.id)["weights_sha256"].item()


def test_batch_norm_resumes_to_the_bit(run: Pretrain, tmp_path: Path) -> None:
    whole, parts = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "parts")
    train(run, whole)
    for kill in (3, 8, 13, 18, 22):
        with pytest.raises(TrainingInterruptedError):
            train(run, parts, partial(operator.le, kill))
    train(run, parts)
    assert digest(run, parts) == digest(run, whole)
    weights = weights_of(run, whole)
    assert weights["model.1.running_mean"].abs().max() > 0.01
    assert weights["model.1.num_batches_tracked"] == run.steps


def worker(rank: int, world: int, meet: str, run: str, uri: str, until: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    spec, storage = from_json(Pretrain, run), Storage(uri)
    if until < spec.steps:
        with pytest.raises(TrainingInterruptedError):
            train(spec, storage, lambda step: step >= until)
    else:
        train(spec, storage)
    dist.destroy_process_group()


def test_two_workers_share_the_statistics(run: Pretrain, tmp_path: Path) -> None:
    """Each normalizes by its own images, as DDP does; all are judged, and resumed, with the first one's statistics."""
    whole, parts = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "parts")
    start_workers(worker, str(tmp_path / "a"), to_json(run), whole.uri, run.steps)
    start_workers(worker, str(tmp_path / "b"), to_json(run), parts.uri, 11)
    start_workers(worker, str(tmp_path / "c"), to_json(run), parts.uri, run.steps)
    assert digest(run, parts) == digest(run, whole)
    module = build(run.model, 4, resolution=16)
    module.load_state_dict(weights_of(run, whole))
    assert run.data.train
    images = open_split(run.data.train, whole)
    top1, _ = accuracy(module, images, split(len(images), run)[1], 16, local_device())
    curve = frames.read_table(whole, "curve").sort("step")
    assert curve["dev_top1"].to_list()[-1] == pytest.approx(top1)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.family_name)
def test_weights_are_fine_tuned_probed_and_loaded(
    model: Custom, tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    task = replace(tiny_task, keep=True)
    run = counted(replace(tiny_run, model=model, epochs=1.1), task)
    train(run, storage)
    checkpoint = storage.path(f"checkpoints/{run.id}/final")
    common: dict[str, Any] = {"checkpoint": checkpoint, "storage": storage, "study": "x", "device": local_device()}
    row = finetune(Transfer(run, task, at(task, 0.1), 0, "final"), report=lambda step, metrics: None, **common)
    assert row["family"] == model.family_name
    assert row["train_flops"] > 0
    probe(Probe(run, FewShot(run.data, shots=(5,), resolution=16)), **common)
    assert frames.read_table(storage, "fewshot").height == 3
    classifier = load_classifier(checkpoint, runs=None, model=None, resolution=None)
    found, saved = classifier.module.state_dict(), weights_of(run, storage)
    assert found.keys() == saved.keys()
    assert all(torch.equal(found[name], saved[name]) for name in saved)
    check_upstream(run, checkpoint, 16)


def test_a_fine_tuning_starts_from_the_body_with_a_classifier_of_zeros(
    tiny_run: Pretrain, tiny_task: Task, storage: Storage
) -> None:
    """As ours do (§B.1.1); a baseline from scratch keeps what the function has drawn."""
    from scaling.runs.finetune import _module

    run = counted(replace(tiny_run, model=MODELS[0], epochs=1.1))
    train(run, storage)
    transfer = Transfer(run, tiny_task, at(tiny_task, 0.1), 0, "final")
    state = _module(transfer, storage.path(f"checkpoints/{run.id}/final")).state_dict()
    saved = weights_of(run, storage)
    assert not state["model.8.weight"].any()
    assert not state["model.8.bias"].any()
    assert all(torch.equal(state[name], saved[name]) for name in saved if not name.startswith("model.8."))
    scratch = replace(transfer, upstream=Scratch("y", run.model))
    assert _module(scratch, None).state_dict()["model.8.weight"].abs().max() > 0

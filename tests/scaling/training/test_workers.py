"""The same training whatever the number of workers, also when it changes on the way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from scaling.checkpoints.upstream import read_weights
from scaling.data.pipeline.loading import Stream, batches
from scaling.data.resolve import resolve
from scaling.randomness import batch_at
from scaling.runs.pretrain import pretrain
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.execution import Execution
from scaling.specs.identity import from_json, to_json
from scaling.specs.pretraining import Dataset, Pretrain
from scaling.store import frames, results
from scaling.store.storage import Storage
from scaling.training.devices import Device, local_device
from scaling.training.ledger import TrainingInterruptedError
from scaling.training.loop import Report
from tests.helpers.photographs import photograph, written
from tests.helpers.workers import start_workers

HYBRID = Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2))


def ignore(step: int, metrics: dict[str, Any]) -> None:
    pass


def train(run: Pretrain, storage: Storage, report: Report = ignore) -> None:
    pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=0.0)


@pytest.mark.parametrize("world", [2, 3, 7])
def test_workers_share_the_global_batch_in_order(tiny_run: Pretrain, world: int) -> None:
    assert tiny_run.data.train is not None
    stream = Stream(tiny_run.data.train, None, np.arange(96), tiny_run.recipe, tiny_run.seed, 16)

    def share(rank: int, world: int) -> tuple[torch.Tensor, torch.Tensor]:
        return next(batches(17, 18, stream=replace(stream, rank=rank, world=world), skipped={}))

    whole, shares = share(0, 1), [share(rank, world) for rank in range(world)]
    for part in (0, 1):  # images, labels
        assert torch.equal(whole[part], torch.cat([s[part] for s in shares]))


def worker(rank: int, world: int, meet: str, jobs: list[tuple[str, int | None]], uri: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    for run, microbatch in jobs:
        pretrain(
            from_json(Pretrain, run),
            storage=Storage(uri),
            study="x",
            device=local_device(Execution(microbatch=microbatch, loaders=1)),
            report=ignore,
            save_seconds=0.0,
        )
    dist.destroy_process_group()


@pytest.mark.parametrize("workers", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_workers_train_as_one(tiny_run: Pretrain, tmp_path: Path, workers: int) -> None:
    """The same losses to float32 tolerance. Dropout is off: its masks are drawn worker by worker.

    Three workers of 8 images take 2, 3 and 3, or with MixUp 2, 2 and 4; one of them has none of two dev images.

    The second has MixUp and a Polyak average, and goes in microbatches through standardized convolutions. The third has
    photographs, by a loader, and each worker meets another corrupt one.
    """
    plain = replace(tiny_run, recipe=replace(tiny_run.recipe, dropout=0.0))
    recipe = replace(plain.recipe, optimizer="sgd", mixup=0.4, polyak=0.7)
    rich = replace(plain, model=HYBRID, base_lr=0.03, recipe=recipe, dev_fraction=0.02)
    one, two = Storage.of(tmp_path / "one"), Storage.of(tmp_path / "two")
    bad = batch_at(0, 8, 8, 0)[1][[0, 7]].tolist()  # of the one batch
    uri = written(tmp_path / "torn.parquet", [photograph(i) for i in range(8)], bad)
    torn = replace(plain, data=resolve(Dataset("torn", uri, corrupt="skip")), epochs=1, dev_fraction=0.0)
    for run in (plain, rich, torn):
        train(run, one)
    jobs = [(to_json(plain), None), (to_json(rich), 2), (to_json(torn), None)]
    start_workers(worker, str(tmp_path / "meet"), jobs, two.uri, workers=workers)
    for run in (plain, rich, torn):
        a, b = (frames.read_table(s, "curve").filter(run_id=run.id).sort("step") for s in (one, two))
        np.testing.assert_allclose(b["train_loss"], a["train_loss"], rtol=2e-6)
        np.testing.assert_allclose(b["dev_top1"].drop_nulls(), a["dev_top1"].drop_nulls())
    weights = [final_weights(rich, s) for s in (one, two)]  # by SGD: AdamW makes steps of rounding errors too
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-5, msg=name)
    for attempt in frames.read_table(two, "attempt").to_dicts():
        assert (attempt["workers"], attempt["cores"]) == (workers, 2 * workers)
        assert attempt["corrupt_images"] == (2 if attempt["unit_id"] == torn.id else 0)


def test_a_batch_that_workers_cannot_share_is_an_error(tiny_run: Pretrain, storage: Storage) -> None:
    device = Device("cpu", "cpu", Execution("fp32"), 1, 0, 9)
    with pytest.raises(ValueError, match="batch_size 8 is 8 images, too few for 9 workers"):
        pretrain(tiny_run, storage=storage, study="x", device=device, report=ignore)
    assert results.finished_ids(storage, "attempt") == set()


def stopped(rank: int, world: int, meet: str, run: str, uri: str, last: int) -> None:
    """Workers that are asked to stop after a step."""
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    with pytest.raises(TrainingInterruptedError):  # one worker is asked, all of them stop
        train(from_json(Pretrain, run), Storage(uri), lambda step, metrics: rank == 1 and step >= last)
    dist.destroy_process_group()


def test_a_run_may_change_its_number_of_workers(tiny_run: Pretrain, tmp_path: Path) -> None:
    """From one to three, two and back: the global batch, the order and the rates are those of the undisturbed run."""
    run = replace(tiny_run, recipe=replace(tiny_run.recipe, dropout=0.0))
    fixed, elastic = Storage.of(tmp_path / "fixed"), Storage.of(tmp_path / "elastic")
    train(run, fixed)
    with pytest.raises(TrainingInterruptedError):
        train(run, elastic, lambda step, metrics: step == 7)
    start_workers(stopped, str(tmp_path / "three"), to_json(run), elastic.uri, 12, workers=3)
    start_workers(stopped, str(tmp_path / "two"), to_json(run), elastic.uri, 17)
    train(run, elastic)
    attempts = frames.read_table(elastic, "attempt").sort("started")
    assert attempts["workers"].to_list() == [1, 3, 2, 1]
    assert attempts["first_step"].to_list() == [0, *attempts["last_step"].to_list()[:3]]
    a, b = (frames.read_table(s, "curve").sort("step") for s in (fixed, elastic))
    assert b["lr"].to_list() == a["lr"].to_list()
    np.testing.assert_allclose(b["train_loss"], a["train_loss"], rtol=2e-6)


def final_weights(run: Pretrain, storage: Storage) -> dict[str, torch.Tensor]:
    return read_weights(Storage.of(storage.path(f"checkpoints/{run.id}/final")))

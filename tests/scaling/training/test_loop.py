"""The loop: exact resume, non-finite losses, and the same training whatever the number of workers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from scaling import results
from scaling.data.sources import open_split
from scaling.pretrain import batch_of, pretrain
from scaling.specs import Hybrid, Pretrain, Recipe, ResNet, ViT, from_json, to_json
from scaling.storage import Storage
from scaling.training.devices import Device, local_device
from scaling.training.loop import NonFiniteLossError

MODELS = {
    "vit": ViT(8, 16, 1, 32, 2),
    "resnet": ResNet((1,), width=8, groups=8, stem="small"),
    "hybrid": Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2)),
}


class Killed(BaseException):
    """Stands for a kill: no exception that the code may catch."""


def ignore(step: int, metrics: dict) -> None:
    pass


def train(run: Pretrain, storage: Storage, kill_at: int | None = None, save_seconds: float = 0.0) -> None:
    def report(step: int, metrics: dict) -> None:
        if step == kill_at:
            raise Killed

    pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=save_seconds)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("kind", MODELS)
def test_an_interrupted_run_ends_in_the_same_bits(
    tiny_run: Pretrain, tmp_path: Path, kind: str, optimizer: str
) -> None:
    """Killed twice between checkpoints, with dropout, momentum and augmentation on."""
    run = replace(tiny_run, model=MODELS[kind], recipe=replace(tiny_run.recipe, optimizer=optimizer))
    whole, torn = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "torn")
    train(run, whole)
    for kill_at in (13, 19):
        with pytest.raises(Killed):
            train(run, torn, kill_at)
    train(run, torn)
    first, second = (results.read(s, "pretrain").drop("checkpoint") for s in (whole, torn))
    assert first.equals(second)  # the weights' SHA-256 among the columns
    assert results.read(whole, "curve").equals(results.read(torn, "curve"))
    attempts = results.read(torn, "attempt").sort("started")
    assert attempts["first_step"].to_list() == [0, 12, 18]
    assert attempts["outcome"].to_list() == ["running", "running", "done"]
    assert torn.list(f"checkpoints/{run.id}") == ["final"]


def test_a_finished_runs_checkpoint_holds_its_spec(tiny_run: Pretrain, storage: Storage) -> None:
    train(tiny_run, storage)
    assert from_json(Pretrain, storage.read(f"checkpoints/{tiny_run.id}/final/spec.json").decode()) == tiny_run


def test_a_loss_that_is_not_finite_stops_the_run_with_its_step(
    tiny_run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter(range(100))
    monkeypatch.setattr(
        "scaling.training.loop.loss_of",
        lambda logits, labels, recipe: logits.mean() * (float("nan") if next(steps) == 7 else 1.0),
    )
    with pytest.raises(NonFiniteLossError, match="loss nan at step 7"):
        train(tiny_run, storage)
    assert results.done(storage, "pretrain") == set()
    (row,) = results.read(storage, "attempt").to_dicts()
    assert row["outcome"] == "failed"
    assert "step 7" in row["reason"]


def test_a_run_learns(tiny_run: Pretrain, storage: Storage) -> None:
    train(
        replace(
            tiny_run,
            epochs=20,
            base_lr=1e-2,
            model=replace(MODELS["vit"], width=32),
            recipe=replace(tiny_run.recipe, crop="none", dropout=0.0),
        ),
        storage,
    )
    curve = results.read(storage, "curve").sort("step")
    assert curve["train_loss"].tail(20).mean() < 0.7 * curve["train_loss"].head(5).mean()  # type: ignore[operator]
    assert curve["dev_top1"].drop_nulls().len() == 5


@pytest.mark.parametrize("world", [2, 4])
def test_workers_share_the_global_batch_in_order(tiny_run: Pretrain, world: int) -> None:
    assert tiny_run.data.train
    images = open_split(tiny_run.data.train, None)
    index = np.arange(len(images))

    def share(rank: int, world: int) -> tuple[torch.Tensor, torch.Tensor]:
        device = Device("cpu", "cpu", "fp32", 1, rank, world)
        return batch_of(17, images, index, tiny_run.recipe, tiny_run.seed, 16, device)

    whole, shares = share(0, 1), [share(rank, world) for rank in range(world)]
    for part in (0, 1):  # images, labels
        assert torch.equal(whole[part], torch.cat([s[part] for s in shares]))


def worker(rank: int, world: int, meet: str, run: str, uri: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    pretrain(
        from_json(Pretrain, run),
        storage=Storage(uri),
        study="x",
        device=local_device(),
        report=ignore,
        save_seconds=0.0,
    )
    dist.destroy_process_group()


def test_two_workers_train_as_one(tiny_run: Pretrain, tmp_path: Path) -> None:
    """The same losses to float32 tolerance. Dropout is off: its masks are drawn worker by worker."""
    run = replace(tiny_run, recipe=replace(tiny_run.recipe, dropout=0.0))
    one, two = Storage.of(tmp_path / "one"), Storage.of(tmp_path / "two")
    train(run, one)
    mp.spawn(worker, (2, str(tmp_path / "meet"), to_json(run), two.uri), nprocs=2)
    curves = [results.read(s, "curve").sort("step") for s in (one, two)]
    np.testing.assert_allclose(curves[1]["train_loss"], curves[0]["train_loss"], rtol=2e-6)
    np.testing.assert_allclose(curves[1]["dev_top1"].drop_nulls(), curves[0]["dev_top1"].drop_nulls())
    (attempt,) = results.read(two, "attempt").to_dicts()
    assert (attempt["workers"], attempt["cores"]) == (2, 2)


def test_a_batch_that_workers_cannot_share_is_an_error(tiny_run: Pretrain, storage: Storage) -> None:
    device = Device("cpu", "cpu", "fp32", 1, 0, 3)
    with pytest.raises(ValueError, match="batch_size 8 is not divisible by 3 workers"):
        pretrain(tiny_run, storage=storage, study="x", device=device, report=ignore)
    assert results.done(storage, "attempt") == set()


def test_bf16_trains_too(tiny_run: Pretrain, storage: Storage) -> None:
    run = replace(tiny_run, recipe=Recipe(batch_size=8, warmup_steps=2))
    pretrain(run, storage=storage, study="x", device=local_device("bf16"), report=ignore)
    assert results.read(storage, "attempt")["precision"].to_list() == ["bf16"]

"""Masked patch prediction: what is corrupted, what is predicted, what it costs, and what becomes of its weights."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.utils.flop_counter import FlopCounterMode

from scaling.checkpoints.upstream import read_weights
from scaling.data.pipeline.loading import Stream, batches
from scaling.flops.counts import masked_macs, parameters, pretrain_flops
from scaling.models.masked import MASK
from scaling.runs.fewshot import probe
from scaling.runs.finetune import finetune
from scaling.runs.masked import build_masked, colour_class, corruption, masked_prediction, targets
from scaling.runs.pretrain import pretrain
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.execution import Execution
from scaling.specs.identity import from_json, to_json
from scaling.specs.pretraining import Dataset, FewShot, Pretrain
from scaling.specs.recipe import MaskedPatches
from scaling.specs.study import Probe, Task, Transfer
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import Device, local_device
from tests.helpers.specs import RECIPE, at
from tests.helpers.workers import start_workers

SMALL = ViT(patch_size=4, width=16, depth=1, mlp_dim=32, num_heads=2)
DATA = Dataset("x", num_classes=2, num_train=8)
Target = Literal["mean_color", "downsized", "pixels"]
TARGETS: tuple[Target, ...] = ("mean_color", "downsized", "pixels")


@pytest.fixture
def run(tiny_run: Pretrain) -> Pretrain:
    """24 steps of 8 images of 16 patches, eight of them corrupted."""
    return replace(tiny_run, model=SMALL, masked=MaskedPatches())


# --- what is corrupted -------------------------------------------------------------------------------------------


def corrupted(run: Pretrain, images: int, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Position and source, [images, C] each."""
    pairs = corruption(run, np.full(images, epoch), np.arange(images)).numpy()
    return pairs[..., 0], pairs[..., 1]


@pytest.mark.parametrize(("share", "count"), [(0.5, 8), (0.15, 2), (0.01, 1), (1.0, 16)])
def test_every_image_has_the_same_number_of_corrupted_patches(run: Pretrain, share: float, count: int) -> None:
    position, _ = corrupted(replace(run, masked=MaskedPatches(corrupted=share)), 500)
    assert position.shape == (500, count)
    assert all(len(set(row)) == count for row in position.tolist())
    times = np.bincount(position.ravel(), minlength=16) / len(position)
    assert np.abs(times - count / 16).max() < 0.1  # every patch as often as any other


def test_of_them_eight_in_ten_are_masked_one_replaced_one_kept(run: Pretrain) -> None:
    position, source = corrupted(run, 4000)
    masked, kept = source == MASK, source == position
    assert masked.mean() == pytest.approx(0.8, abs=0.01)  # 0.0022 is one standard deviation
    assert kept.mean() == pytest.approx(0.1, abs=0.01)
    replaced = ~masked & ~kept
    away = (source - position)[replaced] % 16
    assert set(away) == set(range(1, 16))  # any patch but its own
    assert np.bincount(away)[1:].min() / len(away) > 0.04  # of 0.067


@pytest.mark.parametrize(("masked", "random"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_shares_of_all_and_nothing(run: Pretrain, masked: float, random: float) -> None:
    position, source = corrupted(replace(run, masked=MaskedPatches(masked=masked, random=random)), 50)
    assert ((source == MASK).all(), (source == position).all()) == (masked == 1.0, masked + random == 0.0)
    assert (source != position).all() == (masked + random == 1.0)


def test_corruption_is_a_function_of_seed_epoch_and_image(run: Pretrain) -> None:
    epochs, indices = np.array([3, 0, 3]), np.array([5, 5, 90])
    whole = corruption(run, epochs, indices)
    assert torch.equal(whole[[2, 0]], corruption(run, epochs[[2, 0]], indices[[2, 0]]))
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[0], whole[2])
    assert not torch.equal(whole, corruption(replace(run, seed=1), epochs, indices))


def test_two_workers_corrupt_as_one(run: Pretrain) -> None:
    assert run.data.train
    stream = Stream(run.data.train, None, np.arange(96), run.recipe, run.seed, 16)

    def share(rank: int, world: int) -> tuple[torch.Tensor, torch.Tensor]:
        part = replace(stream, rank=rank, world=world)
        return next(batches(17, 18, stream=part, skipped={}, targets=partial(corruption, run)))

    whole, halves = share(0, 1), [share(rank, 2) for rank in range(2)]
    assert whole[1].shape == (8, 8, 2)
    assert torch.equal(whole[1], torch.cat([half[1] for half in halves]))


# --- what is predicted -------------------------------------------------------------------------------------------


def test_mean_colour_by_hand(run: Pretrain) -> None:
    """Patch 9 is half black, half blue: a mean of (0, 0, 127.5)."""
    images = torch.full((1, 3, 16, 16), 200, dtype=torch.uint8)
    images[0, :, 4:8, 8:12] = torch.tensor([16, 255, 120])[:, None, None]
    images[0, :, 8:12, 4:8] = 0
    images[0, 2, 8:10, 4:8] = 255
    found = targets(run, images, torch.tensor([[6, 9, 0]]))
    assert found.tolist() == [[[0 * 64 + 7 * 8 + 3], [0 * 64 + 0 * 8 + 4], [6 * 64 + 6 * 8 + 6]]]


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_bins_are_equal_and_colours_on_an_edge_are_above_it(bits: int) -> None:
    shades = 2**bits
    edges = torch.arange(shades + 1) * 255 / shades
    grey = torch.stack([edges, edges, edges])
    classes = torch.arange(shades + 1).clamp(max=shades - 1) * (shades**2 + shades + 1)
    assert torch.equal(colour_class(grey, bits), classes)
    assert torch.equal(colour_class(grey[:, 1:] - 1e-3, bits), classes[:-1])
    red = torch.tensor([[255.0], [0.0], [0.0]])
    assert colour_class(red, bits).tolist() == [(shades - 1) * 4**bits]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 8, 14, 16])
def test_downsized_patch(size: int) -> None:
    """Each of the 4x4 is the mean of the pixels that it overlaps, whatever the patch size; nothing of other patches."""
    generator = torch.Generator().manual_seed(size)
    images = torch.randint(0, 256, (2, 3, 2 * size, 2 * size), dtype=torch.uint8, generator=generator)
    run = Pretrain(
        "x", replace(SMALL, patch_size=size), DATA, 1e-3, 1, resolution=2 * size, masked=MaskedPatches("downsized")
    )
    found = targets(run, images, torch.tensor([[3, 1], [0, 2]]))
    assert found.shape == (2, 2, 16)
    pixels = images[0, :, size:, size:].double()  # patch 3 of the first
    for cell in range(16):
        row, column = divmod(cell, 4)
        rows, columns = ((slice(i * size // 4, math.ceil((i + 1) * size / 4))) for i in (row, column))
        mean = pixels[:, rows, columns].mean(dim=(1, 2))
        assert found[0, 0, cell] == colour_class(mean[:, None], 3)[0]


def test_pixels_are_the_patchs_own(run: Pretrain) -> None:
    images = torch.arange(3 * 256, dtype=torch.int64).reshape(1, 3, 16, 16).remainder(256).to(torch.uint8)
    found = targets(replace(run, masked=MaskedPatches("pixels")), images, torch.tensor([[7]]))
    expected = images[:, :, 4:8, 12:16].float() / 127.5 - 1
    assert torch.equal(found, expected.reshape(1, 1, 48))


class Predicts(torch.nn.Module):
    """A model that has one answer."""

    def __init__(self, predicted: torch.Tensor) -> None:
        super().__init__()
        self.predicted = predicted

    def forward(self, images: torch.Tensor, corrupted: torch.Tensor) -> torch.Tensor:
        return self.predicted


@pytest.mark.parametrize("target", TARGETS)
def test_the_loss_is_the_mean_over_corrupted_patches(run: Pretrain, target: Target) -> None:
    run = replace(run, masked=MaskedPatches(target))
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8, generator=generator)
    pairs = corruption(run, np.zeros(3, np.int64), np.arange(3))
    assert run.masked is not None
    outputs = run.masked.outputs(4)
    predicted = torch.randn(3, 8, outputs, generator=generator)
    loss = masked_prediction(run)(Predicts(predicted), 0, images, pairs)
    wanted = targets(run, images, pairs[..., 0])
    each = []
    for b in range(3):
        for c in range(8):
            if target == "pixels":
                each.append((predicted[b, c] - wanted[b, c]).square().mean())
            else:
                scores = predicted[b, c].reshape(-1, 512).log_softmax(-1)
                each.append(-scores[torch.arange(len(scores)), wanted[b, c]].mean())
    torch.testing.assert_close(loss, torch.stack(each).mean())
    elsewhere = images.clone()
    for number in set(range(16)) - set(pairs[0, :, 0].tolist()):
        row, column = divmod(number, 4)
        elsewhere[0, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] ^= 255
    assert torch.equal(masked_prediction(run)(Predicts(predicted), 0, elsewhere, pairs), loss)


# --- training ----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a kill."""


def train(run: Pretrain, storage: Storage, kill_at: int | None = None, device: Device | None = None) -> None:
    def report(step: int, metrics: dict[str, Any]) -> None:
        if step == kill_at:
            raise Killed

    device = device or local_device()
    save_seconds = 15.0 if kill_at is None else 0.0
    pretrain(run, storage=storage, study="x", device=device, report=report, save_seconds=save_seconds)


@pytest.mark.parametrize("target", TARGETS)
def test_an_interrupted_run_ends_in_the_same_bits(run: Pretrain, tmp_path: Path, target: Target) -> None:
    run = replace(run, masked=MaskedPatches(target))
    whole, torn = Storage.of(tmp_path / "whole"), Storage.of(tmp_path / "torn")
    train(run, whole)
    with pytest.raises(Killed):
        train(run, torn, 13)
    train(run, torn)
    first, second = (frames.read_table(s, "pretrain").drop("checkpoint") for s in (whole, torn))
    assert first.equals(second)
    curve = frames.read_table(whole, "curve").sort("step")
    assert curve.equals(frames.read_table(torn, "curve").sort("step"))
    assert curve["dev_top1"].drop_nulls().len() == (0 if target == "pixels" else 5)  # pixels have no accuracy
    assert (first["dev_top1"][0] is None) == (target == "pixels")


def worker(rank: int, world: int, meet: str, run: str, uri: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=world)
    train(from_json(Pretrain, run), Storage(uri))
    dist.destroy_process_group()


def test_three_workers_train_as_one_and_so_do_microbatches(run: Pretrain, tmp_path: Path) -> None:
    """Three workers of 8 images take 2, 3 and 3."""
    run = replace(run, recipe=replace(run.recipe, dropout=0.0))
    one, two, parts = (Storage.of(tmp_path / name) for name in ("one", "two", "parts"))
    train(run, one)
    train(run, parts, device=local_device(Execution(microbatch=3)))
    start_workers(worker, str(tmp_path / "meet"), to_json(run), two.uri, workers=3)
    curves = [frames.read_table(s, "curve").sort("step") for s in (one, two, parts)]
    for other in curves[1:]:
        np.testing.assert_allclose(other["train_loss"], curves[0]["train_loss"], rtol=2e-6)
        np.testing.assert_allclose(other["dev_top1"].drop_nulls(), curves[0]["dev_top1"].drop_nulls())


def test_a_run_learns_the_colours(run: Pretrain, storage: Storage) -> None:
    recipe = replace(run.recipe, crop="none", dropout=0.0)
    train(replace(run, epochs=10, base_lr=1e-2, recipe=recipe), storage)
    curve = frames.read_table(storage, "curve").sort("step")
    assert curve["train_loss"][0] == pytest.approx(math.log(512))  # a guess
    assert curve["train_loss"].to_numpy()[-10:].mean() < 4.6
    assert curve["dev_top1"].drop_nulls()[-1] > 0.05  # of 512 colours


@pytest.mark.parametrize("target", TARGETS)
def test_its_weights_are_fine_tuned_and_probed_as_any(
    run: Pretrain, tiny_task: Task, storage: Storage, target: Target
) -> None:
    run = replace(run, masked=MaskedPatches(target))
    train(run, storage)
    checkpoint = storage.path(f"checkpoints/{run.id}/final")
    weights = read_weights(Storage.of(checkpoint))
    assert run.masked is not None
    assert weights["head.weight"].shape == (run.masked.outputs(4), 16)
    assert "mask_token" not in weights
    common: dict[str, Any] = {"checkpoint": checkpoint, "storage": storage, "study": "x", "device": local_device()}
    row = finetune(
        Transfer(run, tiny_task, at(tiny_task, 0.1), 0, "final"), report=lambda step, metrics: None, **common
    )
    assert 0 <= row["test_top1"] <= 1
    probe(Probe(run, FewShot(run.data, shots=(5,), resolution=16)), **common)
    assert frames.read_table(storage, "fewshot").height == 3


# --- what it costs, and what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pool", ["token", "gap"])
@pytest.mark.parametrize("share", [0.5, 0.15])
def test_costs_equal_the_built_module(
    run: Pretrain, target: Target, pool: Literal["token", "gap"], share: float
) -> None:
    """Of 25 patches, and without knowing how many classes the data have."""
    model = replace(SMALL, patch_size=3, depth=2, pool=pool)
    masked = MaskedPatches(target, corrupted=share)
    run = replace(run, model=model, masked=masked, resolution=15, data=replace(run.data, num_classes=None))
    with torch.device("meta"):
        module = build_masked(run)
        image, pairs = torch.empty(1, 3, 15, 15), torch.empty(1, masked.count(25), 2, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(image, pairs)
    assert counter.get_total_flops() // 2 == masked_macs(model, masked, 15)
    assert pretrain_flops(run, valid=True) == 6 * masked_macs(model, masked, 15) * run.steps * 8
    outputs, mask_token = masked.outputs(3), model.width
    expected = parameters(model, num_classes=outputs, resolution=15) + mask_token
    assert sum(p.numel() for p in module.parameters()) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": ResNet((1,), width=32)}, "needs a ViT"),
        ({"model": Hybrid(ResNet((1,), width=32, stem="small"), SMALL)}, "needs a ViT"),
        ({"model": replace(SMALL, representation_size=8)}, r"take without_representation\(model\)"),
        ({"resolution": 4}, "more than one patch, resolution 4"),
        ({"recipe": replace(RECIPE, mixup=0.5)}, r"no labels to mix, got mixup 0\.5"),
        ({"recipe": replace(RECIPE, cutmix=0.5)}, r"no labels to mix, got cutmix 0\.5"),
        ({"masked": MaskedPatches("pixels"), "early_stopping": 2}, "'pixels' has none"),
    ],
)
def test_what_cannot_be_is_an_error(run: Pretrain, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(run, **change)

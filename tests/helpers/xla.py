"""Runs that XLA's devices and torch's CPU both train, and what they have learnt."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from scaling.checkpoints.upstream import read_weights
from scaling.data.catalog import ifs
from scaling.data.resolve import resolve
from scaling.models.build import build
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture
from scaling.specs.pretraining import Pretrain
from scaling.specs.recipe import Recipe
from scaling.store import results
from scaling.store.storage import Storage
from scaling.training.devices import Device

MODELS: dict[str, Architecture] = {
    "vit": ViT(8, 16, 2, 32, 2),
    "resnet": ResNet((1, 1), width=8, groups=8, stem="small"),
    "hybrid": Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2)),
}
# no dropout: its masks are drawn by the device's own generator
RECIPE = Recipe(
    batch_size=8, warmup_steps=2, weight_decay=0.1, dropout=0.0, grad_clip=1.0, loss="softmax", head_bias=0.0
)
DATA = resolve(ifs(classes=4, images=24, size=16))  # 96 to train on, ten of which are held out
PLAIN = {
    kind: Pretrain(kind, model, DATA, 1e-3, 2.2, RECIPE, resolution=16, dev_fraction=0.1, evaluations=2)
    for kind, model in MODELS.items()
}
DROPOUT = {
    "dropout": replace(PLAIN["vit"], name="dropout", recipe=replace(RECIPE, dropout=0.1, polyak=0.9)),
    "sgd": replace(PLAIN["resnet"], name="sgd", recipe=replace(RECIPE, optimizer="sgd")),
}
RUNS = PLAIN | DROPOUT


@dataclass(frozen=True)
class Done:
    """What a process left behind: rows and weights; per run the programs compiled so far, step by step; logits."""

    storage: Storage
    compiled: list[list[int]]
    logits: list[list[list[float]]]
    split: str


Job = Callable[[Path, list[tuple[str, int | None]], int], Done]  # a folder, runs and when to kill each, devices


def logits(storage: Storage, run: Pretrain, device: Device) -> torch.Tensor:
    """What a run's committed weights answer on a device to two images: [2, classes]."""
    assert run.data.num_classes is not None
    module = build(run.model, run.data.num_classes, resolution=run.resolution)
    module.load_state_dict(read_weights(Storage.of(storage.path(results.checkpoint_name(run.id)))))
    images = torch.linspace(-1, 1, 2 * 3 * run.resolution**2).reshape(2, 3, run.resolution, run.resolution)
    with torch.no_grad():
        answers: torch.Tensor = module.to(device.torch).eval()(device.put(images))
    return answers.cpu()

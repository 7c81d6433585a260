"""A step in parts is the whole batch's step, and filters are standardized once for all of its parts."""

from typing import Any, Literal

import numpy as np
import pytest
import torch

from scaling.data.sources.read import open_split
from scaling.models import resnet
from scaling.models.build import build
from scaling.models.resnet import StdConv, standardized
from scaling.randomness import shard
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.execution import Execution
from scaling.specs.models import Architecture
from scaling.specs.pretraining import Dataset
from scaling.specs.recipe import Recipe
from scaling.training import evaluation
from scaling.training.devices import Device
from scaling.training.loop import microbatches
from scaling.training.objective import classification

MODELS: dict[str, Architecture] = {
    "vit": ViT(8, 16, 1, 32, 2),
    "resnet": ResNet((1, 1), width=8, groups=8, stem="small"),
    "hybrid": Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2)),
}
SOFTMAX = Recipe(loss="softmax")


def made(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    module = build(MODELS[kind], 4, resolution=16)
    for name, parameter in module.named_parameters():  # nothing may be hidden behind a zero
        if name.startswith("head") or "gn3" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return module


def batch(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return images, torch.arange(n) % 4


def step(
    kind: str, size: int | None, recipe: Recipe = SOFTMAX, n: int = 8, world: int = 1
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients: means over the workers, one after another."""
    module, objective, total = made(kind), classification(recipe, 0), torch.zeros(())
    for rank in range(world):
        device = Device("cpu", "cpu", Execution("fp32", microbatch=size), 1, rank, world)
        images, labels = batch(n)
        (mine,) = shard((np.arange(n),), rank, world, recipe.tied)
        for x, y, share in microbatches(module, images[mine], labels[mine], device, n, recipe.tied):  # as `train` does
            assert len(x) <= (size or n)
            loss = objective(module, 0, x, y) * share
            torch.autograd.backward(loss / world)
            total += loss.detach() / world
    return total.item(), {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


@pytest.fixture
def standardizations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every filter bank that is standardized."""
    calls: list[int] = []
    original = resnet.standardize

    def counted(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(resnet, "standardize", counted)
    return calls


@pytest.mark.parametrize("size", [1, 3, 8, 100])
@pytest.mark.parametrize("kind", MODELS)
def test_the_parts_gradients_are_the_whole_batchs(kind: str, size: int) -> None:
    """Parts of three are 3, 3 and 2 images, so the losses' weights matter."""
    loss, gradients = step(kind, None)
    found, parts = step(kind, size)
    assert found == pytest.approx(loss, rel=1e-6)
    assert parts.keys() == gradients.keys()
    assert {name for name, _ in made(kind).named_parameters()} == gradients.keys()
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-5 * gradient.abs().max().item(), msg=name)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [None, 2, 3])
def test_mixup_in_parts(size: int | None, world: int) -> None:
    """Partners stay together in uneven parts, of workers and of three images a time, which take a pair."""
    recipe = Recipe(loss="softmax", mixup=0.5)
    loss, gradients = step("resnet", None, recipe)
    found, parts = step("resnet", size, recipe, world=world)
    assert found == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-5 * gradient.abs().max().item(), msg=name)


@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("world", [2, 3, 5, 7, 8])
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_uneven_workers_gradients_are_the_whole_batchs(
    loss: Literal["softmax", "sigmoid"], world: int, size: int | None
) -> None:
    """Three workers of eight images take 2, 3 and 3."""
    recipe = Recipe(loss=loss, label_smoothing=0.1)
    whole, gradients = step("vit", None, recipe)
    found, parts = step("vit", size, recipe, world=world)
    assert found == pytest.approx(whole, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-5 * gradient.abs().max().item(), msg=name)


@pytest.mark.parametrize("world", [1, 2, 4, 8])
def test_weights_of_equal_shares_are_the_parts_shares_of_them(world: int) -> None:
    """To the bit: what divides trains as it always has."""
    module, own = made("vit"), 24 // world
    device = Device("cpu", "cpu", Execution("fp32", microbatch=7), 1, 0, world)
    for x, _, share in microbatches(module, *batch(own), device, 24):
        assert share == len(x) / own


@pytest.mark.parametrize("size", [None, 3])
def test_filters_are_standardized_once_a_step(size: int | None, standardizations: list[int]) -> None:
    step("hybrid", size)
    assert len(standardizations) == sum(isinstance(layer, StdConv) for layer in made("hybrid").modules())


def test_filters_are_standardized_once_an_evaluation(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, standardizations: list[int]
) -> None:
    assert data.test
    images, module, device = open_split(data.test, None), made("resnet"), Device("cpu", "cpu", Execution("fp32"), 1)
    whole = evaluation.accuracy(module, images, np.arange(8), 16, device)
    once = len(standardizations)
    monkeypatch.setattr(evaluation, "EVAL_BATCH", 3)
    parts = evaluation.accuracy(module, images, np.arange(8), 16, device)
    assert len(standardizations) == 2 * once == 2 * sum(isinstance(layer, StdConv) for layer in module.modules())
    assert parts == pytest.approx(whole, rel=1e-6)


def test_nothing_is_kept_afterwards_and_names_stay_plain() -> None:
    module = made("resnet")
    names, filters = module.state_dict().keys(), [m for m in module.modules() if isinstance(m, StdConv)]

    def inside() -> None:
        with standardized(module):
            assert all(conv.cached_filters is not None for conv in filters)
            assert module.state_dict().keys() == names
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        inside()
    assert all(conv.cached_filters is None for conv in filters)

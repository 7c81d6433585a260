"""Weight decay touches kernels alone, or everything when it is told to."""

from typing import Literal

import pytest
import torch

from scaling.models.build import build
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.recipe import Recipe
from scaling.training.optim import make_optimizer
from scaling.training.parameters import kernels

HYBRID = Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2, representation_size=16))


@pytest.mark.parametrize("decayed", ["kernels", "all"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_shrinks_what_it_should_and_nothing_else(
    optimizer: Literal["adamw", "sgd"], decayed: Literal["kernels", "all"]
) -> None:
    module = build(HYBRID, 3, resolution=16, head_bias=-10.0)
    torch.nn.init.ones_(module.head.weight)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    made = make_optimizer(module, Recipe(optimizer=optimizer, weight_decay=0.5, decayed=decayed))
    for group in made.param_groups:
        group["lr"] = 0.1
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.step()
    for name, parameter in module.named_parameters():
        shrinks = decayed == "all" or (name.endswith("weight") and parameter.ndim >= 2)
        expected = before[name] * (1 - 0.1 * 0.5) if shrinks else before[name]
        torch.testing.assert_close(parameter.detach(), expected, msg=name)
    assert any("norm" in name for name in before)
    assert any("gn" in name for name in before)


def test_tables_are_no_kernels_whatever_their_shape_and_name() -> None:
    module = torch.nn.Module()
    module.dense, module.conv = torch.nn.Linear(2, 3), torch.nn.Conv2d(3, 2, 1)
    module.position = torch.nn.Embedding(4, 2)  # its table is called weight
    module.pos_embed_weight = torch.nn.Parameter(torch.zeros(4, 2))
    module.norm = torch.nn.LayerNorm((2, 2))  # its scale has two dimensions
    assert [id(p) for p in kernels(module)] == [id(module.dense.weight), id(module.conv.weight)]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_every_parameter_is_optimized_once(optimizer: Literal["adamw", "sgd"]) -> None:
    module = build(HYBRID, 3, resolution=16)
    for decayed in ("kernels", "all"):
        groups = make_optimizer(module, Recipe(optimizer=optimizer, decayed=decayed)).param_groups
        found = [id(p) for group in groups for p in group["params"]]
        assert sorted(found) == sorted(id(p) for p in module.parameters())

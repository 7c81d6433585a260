"""Weight decay touches kernels alone; losses against their formulas."""

import math

import pytest
import torch

from scaling.models import build
from scaling.specs import Hybrid, Recipe, ResNet, ViT
from scaling.training.optim import loss_of, make_optimizer

HYBRID = Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 16, 1, 32, 2, representation_size=16))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_shrinks_kernels_and_nothing_else(optimizer: str) -> None:
    module = build(HYBRID, 3, resolution=16, head_bias=-10.0)
    torch.nn.init.ones_(module.head.weight)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    made = make_optimizer(module, Recipe(optimizer=optimizer, weight_decay=0.5))  # type: ignore[arg-type]
    for group in made.param_groups:
        group["lr"] = 0.1
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.step()
    for name, parameter in module.named_parameters():
        kernel = name.endswith("weight") and parameter.ndim >= 2
        expected = before[name] * (1 - 0.1 * 0.5) if kernel else before[name]
        torch.testing.assert_close(parameter.detach(), expected, msg=name)
    assert any("norm" in name for name in before)
    assert any("gn" in name for name in before)


def test_sigmoid_loss_is_summed_over_classes_and_meant_over_images() -> None:
    logits, labels = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]]), torch.tensor([0, 2])

    def cross_entropy(logit: float, target: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -target * math.log(p) - (1 - target) * math.log(1 - p)

    s = 0.1
    first = cross_entropy(2.0, 1 - s) + cross_entropy(-1.0, s) + cross_entropy(0.5, s)
    second = 2 * cross_entropy(0.0, s) + cross_entropy(0.0, 1 - s)
    found = loss_of(logits, labels, Recipe(loss="sigmoid", label_smoothing=s))
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_softmax_loss() -> None:
    logits, labels = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([1])
    expected = math.log(sum(math.exp(x) for x in (2.0, -1.0, 0.5))) + 1.0
    assert loss_of(logits, labels, Recipe(loss="softmax")).item() == pytest.approx(expected, rel=1e-6)

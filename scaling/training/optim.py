"""Optimizer of a recipe."""

from typing import Any

import torch
from torch import Tensor, nn

from scaling.specs import Recipe

LAYERS_WITH_KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def make_optimizer(module: nn.Module, recipe: Recipe, *, fused: bool = True) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum, with weight decay on what `recipe.decayed` says.

    AdamW's decay is decoupled and multiplied by the current rate: w <- w - rate * (adam + decay * w). SGD's is BiT's L2
    penalty: the gradient grows by decay * w, before momentum. `fused`: by torch's fused kernels.
    """
    decayed = kernels(module) if recipe.decayed == "kernels" else list(module.parameters())
    inside = {id(p) for p in decayed}
    others = [p for p in module.parameters() if id(p) not in inside]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=recipe.betas, fused=fused)
    return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, fused=fused)


def kernels(module: nn.Module) -> list[Tensor]:
    """The weights of dense and convolution layers: no biases, norms, tokens or tables of positions, of any shape."""
    found = {id(layer.weight) for layer in module.modules() if isinstance(layer, LAYERS_WITH_KERNELS)}
    return [parameter for parameter in module.parameters() if id(parameter) in found]

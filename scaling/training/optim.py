"""A recipe's optimizer, its schedule of the learning rate, and the running average of the weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scaling.specs import Recipe

# §4.1 does not say what is decayed: kernels, as in the authors' later code. By type, because tables have two axes too.
LAYERS_WITH_KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def make_optimizer(module: nn.Module, recipe: Recipe, *, fused: bool = True) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum, with weight decay on the parameters that `recipe.decayed` names.

    AdamW's decay is decoupled and multiplied by the learning rate: w <- w - lr * (adam + decay * w). SGD's is BiT's L2
    penalty: the gradient grows by decay * w, before momentum. `fused`: with torch's fused kernels. The learning rate is
    0 until `set_learning_rate`.
    """
    decayed = kernels(module) if recipe.decayed == "kernels" else list(module.parameters())
    # By identity: `p in decayed` would compare the values of tensors.
    inside = {id(p) for p in decayed}
    others = [p for p in module.parameters() if id(p) not in inside]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    # §4.1 says 'Adam' with weight decay 0.1, read as decoupled: added to the gradient, 0.1 would be far too strong.
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=recipe.betas, fused=fused)
    return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, fused=fused)


def kernels(module: nn.Module) -> list[Tensor]:
    """The weights of dense and convolution layers: no biases, norms, tokens or tables of positions, of any shape."""
    weights = {id(layer.weight) for layer in module.modules() if isinstance(layer, LAYERS_WITH_KERNELS)}
    # In the module's own order, by which the optimizer numbers its state.
    return [parameter for parameter in module.parameters() if id(parameter) in weights]


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Make the next step with this learning rate, in all groups of parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def learning_rate(step: int, *, base_lr: float, steps: int, recipe: Recipe) -> float:
    """The learning rate of optimizer step `step` (0-based) of `steps`.

    As in the official code, linear and cosine decay begin at the end of the warm-up; they go linearly to `end_lr` or as
    a cosine to 0. With 'steps' (BiT §3.3) the learning rate falls to a tenth after each share `decay_at` of all steps.
    The warm-up multiplies any of them by step / warmup_steps. A floor `end_lr` above `base_lr` is ignored.
    """
    progress = min(max((step - recipe.warmup_steps) / max(steps - recipe.warmup_steps, 1), 0.0), 1.0)
    match recipe.schedule:
        case "linear":
            floor = min(recipe.end_lr, base_lr)
            lr = floor + (base_lr - floor) * (1 - progress)
        case "cosine":
            lr = base_lr * 0.5 * (1 + math.cos(math.pi * progress))
        case "steps":
            lr = base_lr / 10 ** sum(step >= round(share * steps) for share in recipe.decay_at)
    return lr * min(1.0, step / recipe.warmup_steps) if recipe.warmup_steps else lr


def running_average(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of `module` that `update_parameters(module)` moves: average <- decay * average + (1 - decay) * weights.

    It starts from the weights that `module` has now, the initial ones: the paper does not say where it starts. The copy
    is `.module`.
    """
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.update_parameters(module)  # the first call only copies
    return average

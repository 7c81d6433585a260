"""A recipe's optimizer, its schedule of the learning rate, and the running average of the weights."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scaling.checks import check, named_error
from scaling.specs import Optimizer, Recipe, Schedule, factor, named_function
from scaling.training.optimizer_state import load_optimizer, optimizer_tensors
from scaling.training.parameters import parameter_groups


def make_optimizer(module: nn.Module, recipe: Recipe, *, fused: bool = True) -> torch.optim.Optimizer:
    """The recipe's optimizer, with weight decay on the parameters that `recipe.decayed` names.

    AdamW's decay is decoupled and multiplied by the learning rate: w <- w - lr * (adam + decay * w). SGD's is BiT's L2
    penalty: the gradient grows by decay * w, before momentum. `fused`: with torch's fused kernels. The learning rate is
    0 until `set_learning_rate`. Raises ValueError for an `Optimizer` that cannot be made.
    """
    groups = parameter_groups(module, recipe)
    # §4.1 says 'Adam' with weight decay 0.1, read as decoupled: added to the gradient, 0.1 would be far too strong.
    match recipe.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=0.0, betas=recipe.betas, fused=fused)
        case "sgd":
            return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, fused=fused)
        case named:
            return _named_optimizer(named, groups)


def _named_optimizer(named: Optimizer, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    make = named_function(named)
    try:
        made = make([group | {"lr": 0.0} for group in groups], **dict(named.options))
    except Exception as error:  # of any code of the user's
        raise ValueError(f"Optimizer {named.path} cannot be made: {named_error(error)}") from error
    check(
        isinstance(made, torch.optim.Optimizer),
        f"Optimizer {named.path} must make a torch.optim.Optimizer, it makes {type(made).__name__}",
    )
    assert isinstance(made, torch.optim.Optimizer)
    return made


def check_optimizer(recipe: Recipe) -> None:
    """Raise ValueError unless the recipe's optimizer can be made, makes a step, and has a state that can be saved."""
    if not isinstance(recipe.optimizer, Optimizer):
        return
    module = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 4))
    optimizer = make_optimizer(module, recipe)
    set_learning_rate(optimizer, 1e-3)
    try:
        module(torch.ones(2, 3, 2, 2)).square().sum().backward()
        optimizer.step()
        load_optimizer(make_optimizer(module, recipe), optimizer_tensors(optimizer))
    except Exception as error:  # of any code of the user's
        label = f"Optimizer {recipe.optimizer.path}"
        raise ValueError(f"{label} makes no step that can be saved: {named_error(error)}") from None


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Make the next step with this learning rate, in each group times its `lr_scale` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def learning_rate(step: int, *, base_lr: float, steps: int, recipe: Recipe) -> float:
    """The learning rate of optimizer step `step` (0-based) of `steps`.

    As in the official code, linear and cosine decay begin at the end of the warm-up; they go linearly to `end_lr` or as
    a cosine to 0. With 'steps' (BiT §3.3) the learning rate falls to a tenth after each share `decay_at` of all steps.
    'rsqrt' is big_vision's: 1 / sqrt(1 + steps since the warm-up / timescale) (Zhai et al. 2022, §2.3). 'wsd' (warm-up,
    stable, decay) stays until the last `decay_share` of the steps, in which it goes to `end_lr` in its `decay_shape`:
    1-sqrt is 1 - sqrt(share of the decay) (Hägele et al. 2024, §3). A `Schedule` of the user's gives a factor of
    `base_lr`. The warm-up multiplies any of them by step / warmup_steps. A floor `end_lr` above `base_lr` is ignored.
    """
    progress = _share(step - recipe.warmup_steps, steps - recipe.warmup_steps)
    floor = min(recipe.end_lr, base_lr)
    match recipe.schedule:
        case "linear":
            lr = floor + (base_lr - floor) * (1 - progress)
        case "cosine":
            lr = base_lr * 0.5 * (1 + math.cos(math.pi * progress))
        case "steps":
            lr = base_lr / 10 ** sum(step >= round(share * steps) for share in recipe.decay_at)
        case "constant":
            lr = base_lr
        case "rsqrt":
            assert recipe.timescale is not None
            lr = base_lr / math.sqrt(1 + max(step - recipe.warmup_steps, 0) / recipe.timescale)
        case "wsd":
            assert recipe.decay_share is not None
            decay = max(round(recipe.decay_share * steps), 1)
            done = _share(step - (steps - decay), decay)
            left = {"linear": 1 - done, "1-sqrt": 1 - math.sqrt(done), "cosine": 0.5 * (1 + math.cos(math.pi * done))}
            lr = floor + (base_lr - floor) * left[recipe.decay_shape]
        case Schedule():
            lr = base_lr * factor(recipe.schedule, step, steps)
    return lr * min(1.0, step / recipe.warmup_steps) if recipe.warmup_steps else lr


def _share(steps: int, of: int) -> float:
    return min(max(steps / max(of, 1), 0.0), 1.0)


def running_average(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of `module` that `update_parameters(module)` moves: average <- decay * average + (1 - decay) * weights.

    It starts from the weights that `module` has now, the initial ones: the paper does not say where it starts. The copy
    is `.module`.
    """
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.update_parameters(module)  # the first call only copies
    return average

"""Optimizer and loss of a recipe."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling.models import decayed
from scaling.specs import Recipe


def make_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum; weight decay on kernels only (facts of the official code, `decayed`)."""
    kernels = [p for name, p in module.named_parameters() if decayed(name, p)]
    others = [p for name, p in module.named_parameters() if not decayed(name, p)]
    groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=recipe.betas, fused=True)
    return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, fused=True)


def loss_of(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Mean over the batch of logits [B, K] against class numbers [B], in float32.

    Sigmoid: binary cross-entropy summed over classes, targets 1 - s and s with smoothing s. Softmax: cross-entropy.
    """
    logits = logits.float()
    if recipe.loss == "softmax":
        return F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    smoothing = recipe.label_smoothing
    targets = torch.full_like(logits, smoothing).scatter_(1, labels[:, None], 1 - smoothing)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)

"""Polyak averaging: a running average of the weights (ViT §4.1, Table 2: decay 0.9999)."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def running_average(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of `module` that `update_parameters(module)` moves: average <- decay * average + (1 - decay) * weights.

    It starts from the weights that `module` has now, the initial ones; the paper does not say. The copy is `.module`.
    """
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.update_parameters(module)  # the first call only copies
    return average

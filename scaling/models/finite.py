"""Where numbers that are none, NaN or infinite, come from: which weights hold them, which layer makes them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class NonFiniteError(ValueError):
    """Weights, features or scores are NaN or infinite: an accuracy of them would mean nothing."""


def check_finite_weights(state: Mapping[str, Tensor], label: str) -> None:
    """Raise NonFiniteError, naming the first such tensor of `label`, unless all values are finite numbers."""
    said = non_finite_weights(state)
    if said is not None:
        raise NonFiniteError(f"{label} cannot be used: {said}")


def non_finite_weights(state: Mapping[str, Tensor]) -> str | None:
    """The first tensor that holds NaN or infinite values, in words; None when all are finite or on the meta device."""
    weights = {name: value for name, value in state.items() if value.is_floating_point() and not value.is_meta}
    if not weights:
        return None
    # one question to the device for all of them
    finite = torch.stack([torch.isfinite(value).all() for value in weights.values()]).tolist()
    for (name, value), good in zip(weights.items(), finite, strict=True):
        if not good:
            count = int((~torch.isfinite(value)).sum())
            return f"{count:,} of the {value.numel():,} values of {name} are NaN or infinite"
    return None


def non_finite_origin(module: nn.Module, *inputs: Any) -> str:
    """What makes a model's outputs for these inputs NaN or infinite, in words: weights, or the first layer to do so."""
    said = non_finite_weights(module.state_dict())
    if said is not None:
        return said
    layers: list[str] = []
    names = {part: name for name, part in module.named_modules() if name}

    def look(part: nn.Module, _inputs: Any, output: Any) -> None:
        if not layers and isinstance(output, Tensor) and not torch.isfinite(output).all():
            layers.append(names[part])

    hooks = [part.register_forward_hook(look) for part in names]
    try:
        module.forward(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return f"layer {layers[0]} overflows" if layers else "its weights are finite"

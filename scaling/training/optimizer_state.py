"""What an optimizer carries from step to step, as tensors by name. Numbers come back as they were."""

from typing import Any

import torch
from torch import Tensor

NUMBER = "!"  # ends the name of what is a plain number, no tensor
GROUP = "group"  # begins the name of a group's own number, where a parameter's begins with its place


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state by name. Raises ValueError for what is neither tensor nor number.

    Groups follow from the recipe and learning rates from the step, so they are left out; but an optimizer that was
    named by its path may keep numbers of its own in them (as Prodigy keeps its estimate of the learning rate).
    """
    tensors: dict[str, Tensor] = {}
    for index, slot in optimizer.state_dict()["state"].items():
        for key, value in slot.items():
            if value is not None:
                tensors |= _named(f"{index}/{key}", value)
    for place, group in enumerate(optimizer.param_groups):
        for key, value in group.items() if "lr_scale" in group else ():
            if key != "lr" and isinstance(value, Tensor | int | float):
                tensors |= _named(f"{GROUP}/{place}/{key}", value)
    return tensors


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put what `optimizer_tensors` gave into an optimizer that has made no step."""
    state = optimizer.state_dict()
    groups: list[tuple[int, str, Any]] = []
    for name, tensor in tensors.items():
        *where, key = name.removesuffix(NUMBER).split("/", 2 if name.startswith(f"{GROUP}/") else 1)
        value = tensor.item() if name.endswith(NUMBER) else tensor
        if where[0] == GROUP:
            groups.append((int(where[1]), key, value))
        else:
            state["state"].setdefault(int(where[0]), {})[key] = value
    optimizer.load_state_dict(state)  # brings each tensor to its parameter's device
    for place, key, value in groups:
        optimizer.param_groups[place][key] = value


def _named(name: str, value: Any) -> dict[str, Tensor]:
    if isinstance(value, Tensor):
        return {name: value.detach().cpu()}
    if isinstance(value, int | float):  # a truth value comes back as one
        kind = torch.bool if isinstance(value, bool) else torch.int64 if isinstance(value, int) else torch.float64
        return {name + NUMBER: torch.tensor(value, dtype=kind)}
    raise ValueError(f"its state {name} is a {type(value).__name__}: only tensors and numbers can be saved and resumed")

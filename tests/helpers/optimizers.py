"""Optimizers as a user would bring them: a function and classes, named by their import path."""

from collections.abc import Callable
from typing import Any

import torch


class Heavy(torch.optim.Optimizer):
    """SGD with a momentum that grows by the step: numbers of its own in the state, and in its groups."""

    def __init__(self, params: Any, growth: float = 0.1, lr: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "growth": growth, "weight_decay": weight_decay, "seen": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                slot = self.state[p]
                slot["count"] = slot.get("count", 0) + 1
                slot["share"] = slot.get("share", 1 / 3) * 0.9  # float32 would lose digits of it
                group["seen"] += float(p.grad.abs().mean())
                moment = slot.setdefault("moment", torch.zeros_like(p))
                moment.mul_(1 - slot["share"]).add_(p.grad)
                p.sub_(moment, alpha=group["lr"] * min(1.0, slot["count"] * group["growth"]) / (1 + group["seen"]))


def heavy(groups: list[dict[str, Any]], *, growth: float) -> Heavy:
    return Heavy(groups, growth)


class Secretive(Heavy):
    """Its state cannot be saved without pickle."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        super().step()
        for slot in self.state.values():
            slot["history"] = [1, 2]


def no_optimizer(groups: list[dict[str, Any]]) -> str:
    return "sgd"


NUMBER = 3

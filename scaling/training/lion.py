"""Lion: the sign of an interpolated momentum (Chen et al. 2023)."""

from collections.abc import Callable
from typing import Any

import torch

from scaling.checks import check


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of 'Symbolic Discovery of Optimization Algorithms':

        u = sign(beta1 * m + (1 - beta1) * g);  w <- w - lr * (u + weight_decay * w);  m <- beta2 * m + (1 - beta2) * g

    The paper takes a learning rate of a tenth to a third of AdamW's, and a weight decay larger by as much (§5).
    """

    def __init__(
        self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        check(all(0 <= beta < 1 for beta in betas), f"betas of Lion must be in [0, 1), got {betas}")
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            gradients = [p.grad for p in weights]
            for p in weights:
                if not self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            momenta = [self.state[p]["momentum"] for p in weights]
            beta1, beta2 = group["betas"]
            updates = torch._foreach_lerp(momenta, gradients, 1 - beta1)
            torch._foreach_sign_(updates)
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(weights, updates, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, gradients, 1 - beta2)
        return loss

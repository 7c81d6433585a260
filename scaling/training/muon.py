"""Muon for the kernels of hidden layers, AdamW for all other parameters (Jordan et al. 2024; Liu et al. 2025)."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adamw import adamw

from scaling.checks import check

# Of the polynomial that brings all singular values near 1 in few steps (Jordan et al. 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
RMS = 0.2  # of AdamW's updates, to which Muon's are brought (Liu et al. 2025, §2.2)


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal, in the form of 'Muon is Scalable for LLM Training' (Liu et al. 2025, eq. 4):

        M <- momentum * M + G;  O = orthogonal(M)
        W <- W - lr * (0.2 * sqrt(max(rows, columns)) * O + weight_decay * W)

    With `nesterov`, O is that of momentum * M + G. Updates have the size of AdamW's, so that one learning rate and
    weight decay serve both. A kernel of a convolution is a matrix [out, in * height * width]. Muon trains the groups
    of `kind` 'kernels'; AdamW, with `betas` and `eps`, the head, embeddings, norms and biases. torch.optim.Muon knows
    matrices alone, and orthogonalizes in bfloat16.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.95,
        nesterov: bool = True,
        iterations: int = 5,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        check(0 <= momentum < 1, f"momentum of Muon must be in [0, 1), got {momentum}")
        check(iterations > 0, f"iterations of Muon must be positive, got {iterations}")
        check(all(0 <= beta < 1 for beta in betas), f"betas of Muon must be in [0, 1), got {betas}")
        of_muon = {"momentum": momentum, "nesterov": nesterov, "iterations": iterations}
        of_both = {"lr": lr, "weight_decay": weight_decay, "kind": "kernels"}
        super().__init__(params, of_both | of_muon | {"betas": tuple(betas), "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            (self._muon if group["kind"] == "kernels" else self._adamw)(weights, group)
        return loss

    def _muon(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        for w in weights:
            assert w.grad is not None
            if not self.state[w]:
                self.state[w]["momentum"] = torch.zeros_like(w)
            moment = self.state[w]["momentum"]
            moment.mul_(group["momentum"]).add_(w.grad)
            update = w.grad + group["momentum"] * moment if group["nesterov"] else moment
            matrix = update.flatten(1)
            scale = RMS * max(matrix.shape) ** 0.5
            w.mul_(1 - group["lr"] * group["weight_decay"])
            w.sub_(orthogonal(matrix, group["iterations"]).view_as(w), alpha=group["lr"] * scale)

    def _adamw(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        if not weights:
            return
        for w in weights:
            if not self.state[w]:
                self.state[w] = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(w)}
                self.state[w]["exp_avg_sq"] = torch.zeros_like(w)
        adamw(
            weights,
            [w.grad for w in weights if w.grad is not None],
            [self.state[w]["exp_avg"] for w in weights],
            [self.state[w]["exp_avg_sq"] for w in weights],
            [],
            [self.state[w]["step"] for w in weights],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonal(matrix: Float[Tensor, "m n"], iterations: int) -> Float[Tensor, "m n"]:
    """Near U V^T of the matrix's singular value decomposition U S V^T: its singular values brought near 1."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    found: Tensor = x.T if tall else x
    return found

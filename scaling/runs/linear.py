"""Classifiers on frozen features: nearest neighbours, ridge regression in closed form, logistic regression.

All are computed in float64, on a GPU where there is one.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int
from torch import Tensor

from scaling.checks import say

Matrix = Float[np.ndarray, "n D"]
Linear = tuple[Float64[Tensor, "D K"], Float64[Tensor, " K"]]  # weights and biases
BLOCK = 2**27  # numbers of a block of similarities, or of scores: 1 GiB
CONVERGED = 1e-7  # largest entry of the gradient of the mean loss
MOST_STEPS = 5000  # of L-BFGS


def knn_scores(
    x: Matrix,
    labels: Int[np.ndarray, " n"],
    x_test: Float[np.ndarray, "t D"],
    num_classes: int,
    k: Sequence[int],
    temperature: float,
    where: torch.device,
) -> list[Float64[np.ndarray, "t K"]]:
    """The votes of the k nearest training images by cosine similarity, with the weights exp(similarity / temperature),
    for each number in `k`, none of them above n."""
    train, test = (F.normalize(torch.from_numpy(a).to(where, torch.float64), dim=1) for a in (x, x_test))
    classes = torch.from_numpy(labels).to(where)
    votes = [torch.zeros(len(test), num_classes, dtype=torch.float64, device=where) for _ in k]
    size = max(1, BLOCK // len(train))
    for start in range(0, len(test), size):
        near, index = (test[start : start + size] @ train.T).topk(max(k), dim=1)  # [b, k], the nearest first
        weights, voted = (near / temperature).exp(), classes[index]
        for number, scores in zip(k, votes, strict=True):
            scores[start : start + size].scatter_add_(1, voted[:, :number], weights[:, :number])
    return [scores.cpu().numpy() for scores in votes]


def linear_scores(
    x: Matrix,
    labels: Int[np.ndarray, " n"],
    x_test: Float[np.ndarray, "t D"],
    num_classes: int,
    method: str,
    l2: Sequence[float],
    where: torch.device,
) -> list[Float64[np.ndarray, "t K"]]:
    """Scores of the regression 'ridge' or 'logistic' for each strength in `l2`.

    Features are standardised with the training mean and standard deviation (+ 1e-5).
    """
    train, test = (torch.from_numpy(a).to(where, torch.float64) for a in (x, x_test))
    mean, std = train.mean(0), train.std(0, correction=0) + 1e-5
    train, test = ((a - mean) / std for a in (train, test))
    fit: Callable[..., list[Linear]] = {"ridge": ridge, "logistic": logistic}[method]
    fitted = fit(train, torch.from_numpy(labels).to(where), num_classes, l2)
    return [(test @ weights + bias).cpu().numpy() for weights, bias in fitted]


def ridge(x: Float64[Tensor, "n D"], labels: Int[Tensor, " n"], num_classes: int, l2: Sequence[float]) -> list[Linear]:
    """Ridge regression to targets in {-1, 1}: |xW + b - y|^2 + l2 |W|^2 is least. `x` has the mean 0.

    It is solved in the smaller of two spaces: (X'X + l2 I) W = X'y with D unknowns, or X'(XX' + l2 I)^-1 y with n.
    """
    y = 2.0 * F.one_hot(labels, num_classes).double() - 1.0
    bias = y.mean(0)
    n, d = x.shape
    gram, y = (x @ x.T, y - bias) if n < d else (x.T @ x, x.T @ (y - bias))
    eye = torch.eye(min(n, d), dtype=x.dtype, device=x.device)
    solved = [torch.linalg.solve(gram + strength * eye, y) for strength in l2]
    return [(x.T @ each if n < d else each, bias) for each in solved]


def logistic(
    x: Float64[Tensor, "n D"], labels: Int[Tensor, " n"], num_classes: int, l2: Sequence[float]
) -> list[Linear]:
    """Multinomial logistic regression by L-BFGS: the sum of cross-entropies + l2 / 2 |W|^2 is least.

    That is scikit-learn's LogisticRegression(C=1 / l2). A note says where it did not converge. What is solved for is
    V = W / sqrt(n / (n + l2)), whose loss is curved alike for every strength.
    """
    n, d = x.shape
    v = torch.zeros(d, num_classes, dtype=x.dtype, device=x.device, requires_grad=True)
    b = torch.zeros(num_classes, dtype=x.dtype, device=x.device, requires_grad=True)
    rows = max(1, BLOCK // num_classes)
    found = {}
    scale = 1.0
    for strength in sorted(l2, reverse=True):  # from the strongest on: each solution is near the next one
        before, scale = scale, math.sqrt(n / (n + strength))
        v.data.mul_(before / scale)
        optimizer = torch.optim.LBFGS(
            [v, b],
            max_iter=MOST_STEPS,
            tolerance_grad=CONVERGED,
            tolerance_change=0.0,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def loss(optimizer: torch.optim.Optimizer = optimizer, strength: float = strength, by: float = scale) -> float:
            optimizer.zero_grad()
            total = strength / (2 * n) * (by * v).square().sum()
            total.backward()
            for xs, ys in zip(x.split(rows), labels.split(rows), strict=True):  # block by block, for the memory
                part = F.cross_entropy(xs @ (by * v) + b, ys, reduction="sum") / n
                part.backward()
                total = total.detach() + part.detach()
            return float(total)

        optimizer.step(loss)
        loss()
        assert v.grad is not None
        if float(v.grad.abs().max()) > 10 * CONVERGED:
            say([f"logistic regression with l2 {strength:g} did not converge in {MOST_STEPS} steps: take a larger l2"])
        found[strength] = (scale * v.detach(), b.detach().clone())
    return [found[strength] for strength in l2]

"""The dense layer, whose form depends on how it is run."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dense(nn.Linear):
    """x W^T + b: [..., in] -> [..., out].

    Compiled for a CPU, the bias waits for what is compiled after the product: torch's bfloat16 product with a bias
    first fills its result with it, which on one core takes a quarter of the product's own time.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (torch.compiler.is_compiling() and x.is_cpu):
            return super().forward(x)
        y = F.linear(x, self.weight)
        return (y.to(self.bias.dtype) + self.bias).to(y.dtype)  # rounded once

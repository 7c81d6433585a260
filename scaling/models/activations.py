"""GELU, the one activation whose form depends on how it is run."""

import torch
import torch.nn.functional as F
from torch import Tensor


def gelu(x: Tensor) -> Tensor:
    """0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), the approximation that is flax's default.

    For the compiler it is written x sigmoid(2 u), which is the same: on a CPU its tanh takes twice as long.
    """
    if torch.compiler.is_compiling():
        return x * torch.sigmoid(1.5957691216057308 * (x + 0.044715 * x**3))
    return F.gelu(x, approximate="tanh")

"""GELU, the one activation whose form depends on how it is run."""

import logging
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

# It warns of operations in place under a checkpoint, of which there are none here.
logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)


def gelu(x: Tensor) -> Tensor:
    """0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), the approximation that is flax's default.

    For the compiler it is written x sigmoid(2 u), which is the same: on a CPU its tanh takes twice as long. There the
    sigmoid is also kept for the backward pass, as its exponential takes longer than memory does; on a GPU it does not.
    """
    if not torch.compiler.is_compiling():
        return F.gelu(x, approximate="tanh")
    return _KEPT(x) if x.is_cpu and torch.is_grad_enabled() else _by_sigmoid(x)


def _by_sigmoid(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.5957691216057308 * (x + 0.044715 * x**3))


def _keep_sigmoid(_context: Any, op: Any, *_args: Any, **_kwargs: Any) -> CheckpointPolicy:
    kept = op is torch.ops.aten.sigmoid.default
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


_KEPT = partial(
    checkpoint,
    _by_sigmoid,
    use_reentrant=False,
    preserve_rng_state=False,
    context_fn=partial(create_selective_checkpoint_contexts, _keep_sigmoid),
)

"""The one place where attention is computed: what is tuned to a device or a dtype is tuned here.

Shapes: N queries, M keys, d width of a head; ... images and heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v (Eq. 6-7): q [..., N, d], k [..., M, d], v [..., M, e] -> [..., N, e].

    `bias` [..., N, M] is in units of the logits: it is not divided by sqrt(d).
    """
    if q.is_cpu and q.dtype == torch.bfloat16:  # torch's fused kernel takes two to three times as long here
        logits = (q * q.shape[-1] ** -0.5) @ k.mT  # [..., N, M]
        return (logits if bias is None else logits + bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)

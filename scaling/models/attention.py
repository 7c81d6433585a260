"""The one place where attention is computed: what is tuned to a device or a dtype is tuned here.

Shapes: N queries, M keys, d width of a head; ... images and heads.
"""

import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v (Eq. 6-7): q [..., N, d], k [..., M, d], v [..., M, e] -> [..., N, e].

    `bias` [..., N, M] is in units of the logits: it is not divided by sqrt(d).
    """
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)

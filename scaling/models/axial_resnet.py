"""Axial attention in place of a 3x3 convolution (AxialResNet: Wang et al. 2020, 'Axial-DeepLab'; ViT §D.6).

The paper says: columns, then rows, with relative positions. It leaves open the 8 heads, keys half as wide as values,
the places of the norms and the pooling; those follow the authors' later open code.

Shapes: B images or lines, C channels, H x W positions, L positions of a line, k heads, d = C / k.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scaling.models.layers import GroupNorm

# Of both GroupNorms, as in the open code. Its size matters: queries, keys and values start small.
AXIAL_NORM_EPS = 1e-4


def per_position(x: Float[Tensor, "B k L m"], tables: Float[Tensor, "L m n"]) -> Float[Tensor, "B k L n"]:
    """The vector of each position times that position's own matrix."""
    y = x.flatten(0, 1).transpose(0, 1) @ tables  # [L, B k, n]
    out: Float[Tensor, "B k L n"] = y.transpose(0, 1).unflatten(0, x.shape[:2])
    return out


class LineAttention(nn.Module):
    """Self-attention along lines with relative positions (Wang et al. 2020, Eq. 4).

    Position o takes the values v_p + r^v_{p-o} with the weights softmax_p(q_o k_p + q_o r^q_{p-o} + k_p r^k_{p-o}).
    The logits are not divided by sqrt(d): the norm of q, k and v scales them. `offsets` holds r^q, r^k and r^v of every
    offset p - o, in ascending order, shared by the heads. (The open code has k_o where the formula has k_p in the last
    term; the formula is followed here.)
    """

    def __init__(self, width: int, num_heads: int, groups: int, length: int) -> None:
        super().__init__()
        self.num_heads, head = num_heads, width // num_heads
        self.qkv = nn.Linear(width, 2 * width, bias=False)
        self.gn_qkv = GroupNorm(groups, 2 * width, eps=AXIAL_NORM_EPS)
        self.offsets = nn.Parameter(torch.randn(2 * head, 2 * length - 1) / head)
        self.gn_out = GroupNorm(groups, width, eps=AXIAL_NORM_EPS)
        nn.init.normal_(self.qkv.weight, std=1 / width)

    def forward(self, x: Float[Tensor, "B C L"]) -> Float[Tensor, "B C L"]:
        _, C, L = x.shape
        d = C // self.num_heads
        parts = [d // 2, d // 2, d]
        qkv = self.gn_qkv(self.qkv(x.transpose(1, 2)).transpose(1, 2))  # [B, 2C, L]; each line is normed by itself
        qkv = qkv.unflatten(1, (self.num_heads, 2 * d)).transpose(2, 3)  # [B, k, L, 2d]
        q, k, v = qkv.split(parts, dim=-1)
        relative = self.offsets.unfold(1, L, 1).flip(1)  # [2d, o, p]: column p - o + L - 1 of the table
        r_q, r_k, r_v = relative.split(parts)

        logits = q @ k.transpose(2, 3)  # [B, k, o, p]
        logits = logits + per_position(q, r_q.permute(1, 0, 2))
        logits = logits + per_position(k, r_k.permute(2, 0, 1)).transpose(2, 3)
        weights = logits.softmax(dim=-1)
        out = weights @ v + per_position(weights, r_v.permute(1, 2, 0))  # [B, k, L, d]
        y: Float[Tensor, "B C L"] = self.gn_out(out.transpose(2, 3).flatten(1, 2))
        return y


class AxialAttention(nn.Module):
    """Attention along the columns, then along the rows, then 2x2 averages where the stride is 2.

    Reads maps of `side` x `side` positions and raises ValueError for others; returns ceil(side / stride) positions a
    side.
    """

    def __init__(self, width: int, num_heads: int, groups: int, side: int, stride: int) -> None:
        super().__init__()
        self.side, self.stride = side, stride
        self.columns = LineAttention(width, num_heads, groups, side)
        self.rows = LineAttention(width, num_heads, groups, side)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H_out W_out"]:
        B, _, H, W = x.shape
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(
                f"axial attention was built for {self.side} x {self.side} positions, got {H} x {W}: "
                "build the model for images of this resolution"
            )
        x = self.columns(x.permute(0, 3, 1, 2).flatten(0, 1))  # [B W, C, H]
        x = x.unflatten(0, (B, W)).transpose(1, 3)  # [B, H, C, W]
        x = self.rows(x.flatten(0, 1)).unflatten(0, (B, H)).transpose(1, 2)  # [B, C, H, W]
        if self.stride == 1:
            return x
        return F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=4)  # SAME: an odd side gets zeros, which count

"""Position embeddings: fitting learned tables to another image size.

Shapes: N, M tokens without the class token; D width.
"""

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_positions(pos_embed: Tensor, grid: tuple[int, int]) -> Tensor:
    """Position table [1, 1+N, D] of a square grid, resampled to `grid` = (rows, columns): [1, 1+rows*columns, D].

    The class token's row is kept. The others are interpolated in two dimensions (§3.2), bilinearly and with the
    corners aligned, which is what the official code's `scipy.ndimage.zoom(order=1)` computes.
    Raises ValueError when N is not a square.
    """
    _, rows, width = pos_embed.shape
    side = isqrt(rows - 1)
    if side * side != rows - 1:
        raise ValueError(f"pos_embed has {rows - 1} rows besides the class token's, which is no square grid")
    if (side, side) == grid:
        return pos_embed
    cls_row, table = pos_embed[:, :1], pos_embed[:, 1:]  # [1, 1, D], [1, N, D]
    image = table.reshape(1, side, side, width).permute(0, 3, 1, 2)  # [1, D, side, side]
    image = F.interpolate(image.float(), size=grid, mode="bilinear", align_corners=True).to(pos_embed.dtype)
    return torch.cat([cls_row, image.flatten(2).transpose(1, 2)], dim=1)  # [1, 1+M, D]

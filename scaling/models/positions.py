"""Position embeddings (§3.1, §D.4) as parameters, and fitting learned ones to another image size (§3.2).

Shapes: B images, G x G = N patches, S tokens (N, or 1+N with a class token), P tables, D width, k heads, d = D/k.
"""

from collections.abc import Mapping
from math import isqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scaling.specs import ViT

INIT_STD = 0.02  # of fresh positions, as in the official code; the paper gives none for the variants


class GridTables(nn.Module):
    """Two-dimensional positions: tables of columns x and rows y, half the width each; the class token has its own."""

    def __init__(self, count: int, grid: int, width: int, class_token: bool) -> None:
        super().__init__()
        self.x = nn.Parameter(INIT_STD * torch.randn(count, grid, width // 2))
        self.y = nn.Parameter(INIT_STD * torch.randn(count, grid, width // 2))
        self.cls = nn.Parameter(INIT_STD * torch.randn(count, 1, width)) if class_token else None

    def forward(self) -> Float[Tensor, "P S D"]:
        """Tables over the tokens: x beside y for every patch in raster order."""
        G = self.x.shape[1]
        x = self.x[:, None, :].expand(-1, G, -1, -1)  # [P, row, column, D/2]
        y = self.y[:, :, None].expand(-1, -1, G, -1)
        patches = torch.cat([x, y], dim=-1).flatten(1, 2)  # [P, N, D]
        return patches if self.cls is None else torch.cat([self.cls, patches], dim=1)


def fresh_tables(spec: ViT, grid: int) -> nn.Parameter | GridTables | None:
    """The tables that a model adds to its tokens, [P, S, D] or as x and y: P is 1, or the number of layers.

    None for a model that adds no table: one without positions, or with relative ones.
    """
    count = spec.depth if spec.positions_at == "every_layer" else 1
    class_token = spec.pool == "token"
    match spec.positions:
        case "1d":
            return nn.Parameter(INIT_STD * torch.randn(count, int(class_token) + grid * grid, spec.width))
        case "2d":
            return GridTables(count, grid, spec.width, class_token)
        case _:
            return None


def tables_by_place(tables: nn.Parameter | GridTables | None, spec: ViT) -> list[Float[Tensor, "... S D"] | None]:
    """What to add at the stem and at the start of each layer (§D.4): 1 + depth tables, or None where nothing is added.

    A table that all layers share is not added at the stem as well: the first layer's addition is in the same place.
    """
    if tables is None:
        return [None] * (1 + spec.depth)
    values = tables() if isinstance(tables, GridTables) else tables  # [P, S, D]
    match spec.positions_at:
        case "stem":
            return [values, *[None] * spec.depth]
        case "every_layer":
            return [None, *values]
        case "every_layer_shared":
            return [None, *[values] * spec.depth]


def relative_logits(q: Float[Tensor, "B k S d"], relative: Float[Tensor, "offsets d"]) -> Float[Tensor, "B k S S"]:
    """Logits q r / sqrt(d) of relative positions (Shaw et al. 2018), to add to those of the content.

    There are 2N-1 offsets; row N-1 + o of `relative` is the key of the patch o places after the query in raster
    order, for all heads. Pairs with the class token have none: zero. No tensor of pairs x d is made: each query meets
    every offset once, and row i of the result is a window of N offsets that starts at N-1-i.
    """
    N = (len(relative) + 1) // 2
    class_token = q.shape[2] - N
    by_offset = (q[:, :, class_token:] * q.shape[-1] ** -0.5) @ relative.T  # [B, k, N, 2N-1]
    # Windows overlap as views of one flat row of N (2N-1) logits: from the start of one to the next's is a row further
    # on and one offset back, 2N-2. The maximum is for a single patch, where it would be 0.
    by_key = by_offset.flatten(2)[..., N - 1 :].unfold(-1, N, max(2 * N - 2, 1))  # [B, k, N, N]
    return F.pad(by_key, (class_token, 0, class_token, 0))


# --- another image size ------------------------------------------------------------------------------------------


def fit_positions(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights `given` with every position parameter resampled to the grid of a model whose weights are `own`.

    A table of another form than the model's is left as it is, for the caller to refuse. Raises ValueError when a
    position table of `given` is not of a square grid.
    """
    fitted = dict(given)
    for name in given.keys() & own.keys():
        table, target = given[name], own[name].shape
        if table.ndim != len(target):
            continue
        if name == "pos_embed":
            side = isqrt(target[1] - ("cls_token" in own))
            fitted[name] = resize_positions(table, (side, side), class_token="cls_token" in given)
        elif name in ("pos_embed.x", "pos_embed.y"):
            fitted[name] = _resample(table, target[1])
        elif name.endswith("attention.relative"):
            fitted[name] = resize_relative(table, target[0])
        elif name.endswith(".offsets"):
            fitted[name] = resize_offsets(table, (target[1] + 1) // 2)
    return fitted


def resize_positions(
    pos_embed: Float[Tensor, "P S D"], grid: tuple[int, int], *, class_token: bool = True
) -> Float[Tensor, "P S_new D"]:
    """Tables over a square grid, resampled to `grid` = (rows, columns).

    The class token's row, if there is one, is kept. The others are interpolated in two dimensions (§3.2), bilinearly
    with the corners aligned, which is what the official code's `scipy.ndimage.zoom(order=1)` computes.
    Raises ValueError when the number of patches is not a square.
    """
    cls_row, patches = pos_embed.split([int(class_token), pos_embed.shape[1] - class_token], dim=1)
    side = isqrt(patches.shape[1])
    if side * side != patches.shape[1]:
        besides = " besides the class token's" if class_token else ""
        raise ValueError(f"pos_embed must be of a square grid, but has {patches.shape[1]} rows{besides}")
    if (side, side) == grid:
        return pos_embed
    image = patches.unflatten(1, (side, side)).permute(0, 3, 1, 2)  # [P, D, side, side]
    # In float32, whatever the dtype that a file has.
    image = F.interpolate(image.float(), size=grid, mode="bilinear", align_corners=True).to(pos_embed.dtype)
    return torch.cat([cls_row, image.flatten(2).transpose(1, 2)], dim=1)


def resize_relative(relative: Float[Tensor, "offsets d"], rows: int) -> Float[Tensor, "{rows} d"]:
    """Keys of 2N-1 relative offsets resampled linearly to `rows` = 2M-1: o takes the key of o (N-1)/(M-1).

    A raster offset does not say how many rows and columns it spans, so there is no grid to interpolate on. Stretching
    the line keeps the key of offset 0, and the key of an offset that spans a given share of the image's height.
    """
    if rows == 1:  # a single patch has offset 0 alone
        return relative[len(relative) // 2][None]
    return _resample(relative[None], rows)[0]


def _resample(tables: Float[Tensor, "P G D"], size: int) -> Float[Tensor, "P {size} D"]:
    """Tables resampled to `size` rows, linearly and with the ends aligned."""
    if tables.shape[1] == size:
        return tables
    lines = F.interpolate(tables.mT.float(), size=size, mode="linear", align_corners=True)
    return lines.mT.to(tables.dtype)


def resize_offsets(table: Float[Tensor, "C offsets"], side: int) -> Float[Tensor, "C 2*{side}-1"]:
    """The table of the 2L-1 offsets of lines of L positions, resampled for lines of `side` positions.

    Interpolated linearly along the offsets; both ends and the middle (offset 0) keep their values, as the ends of a
    line do in `resize_positions`.
    """
    middle = table.shape[1] // 2
    if side == middle + 1:
        return table
    if side == 1:
        return table[:, middle : middle + 1]
    resized = F.interpolate(table[None].float(), size=2 * side - 1, mode="linear", align_corners=True)
    return resized[0].to(table.dtype)

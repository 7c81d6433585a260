"""Closed forms for a Vision Transformer without its head, in the conventions of `counts.py`.

G x G = N patches, S tokens (N, or 1+N with a class token), D width, M hidden width of the MLP.
"""

from scaling.specs import ViT


def vit_parameters(model: ViT, in_channels: int, side: int) -> int:
    """Parameters for square inputs of `side` pixels (or positions of a feature map) with `in_channels` channels."""
    D, M = model.width, model.mlp_dim
    patch = in_channels * model.patch_size**2 * D + D
    class_token = D if model.pool == "token" else 0
    block = (4 * D * D + 4 * D) + (2 * D * M + M + D) + 4 * D  # attention, MLP, two LayerNorms
    positions = position_parameters(model, side // model.patch_size)
    return patch + class_token + positions + _blocks(model) * block + 2 * D


def position_parameters(model: ViT, grid: int) -> int:
    """Parameters of the positions on a grid of `grid` x `grid` patches (§D.4)."""
    N, D = grid * grid, model.width
    tables = model.depth if model.positions_at == "every_layer" else 1
    class_token = 1 if model.pool == "token" else 0
    match model.positions:
        case "none":
            return 0
        case "1d":
            return tables * (class_token + N) * D
        case "2d":
            return tables * (class_token + grid) * D  # two tables, each of half the width
        case "relative":
            return model.depth * (2 * N - 1) * (D // model.num_heads)


def vit_macs(model: ViT, in_channels: int, side: int) -> int:
    """MACs of the forward pass of one input, as in `vit_parameters`. Adding a table of positions costs none."""
    D, M = model.width, model.mlp_dim
    G = side // model.patch_size
    N = G * G
    S = N + 1 if model.pool == "token" else N
    dense = S * (4 * D * D + 2 * D * M)
    pairs = N * G if model.attention == "axial" else S * S  # in an axial block a patch meets those of its row or column
    # Every patch meets the key of every offset, also of offsets that lead out of the image (see `relative_logits`).
    offsets = N * (2 * N - 1) if model.positions == "relative" else 0
    block = dense + 2 * pairs * D + offsets * D  # dense layers, q k^T and a v, q r^T
    return N * in_channels * model.patch_size**2 * D + _blocks(model) * block


def _blocks(model: ViT) -> int:
    # An axial layer is a block along the rows and one along the columns.
    return model.depth * (2 if model.attention == "axial" else 1)

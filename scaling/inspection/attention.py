"""Inside a trained Transformer (§4.5, D.7, D.8): attention weights, their distances and rollout, filters, positions.

Models are used unchanged: hooks catch the inputs of each attention layer, and its weights are computed again from its
queries and keys. So the code that is trained, whose fused kernels never form these weights, has no part in this.

Shapes: B images, C channels, P pixels a side of a patch, G x G = N patches, S tokens (N, or 1+N with a class token),
D width, k heads.
"""

from collections.abc import Callable
from math import isqrt
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from scaling.models import Attention, AxialBlock, VisionTransformer, relative_logits, tables_by_place

Reduced = TypeVar("Reduced")


def attention_weights(layer: Attention, x: Tensor) -> Tensor:
    """The attention weights [B, k, S, S] of a layer (Eq. 6) for its inputs [B, S, D]; each row sums to one."""
    q, k, _ = (part.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2) for part in layer.qkv(x).chunk(3, dim=-1))
    logits = (q * q.shape[-1] ** -0.5) @ k.mT  # [B, k, S, S]
    if layer.relative is not None:
        logits = logits + relative_logits(q, layer.relative)
    y: Tensor = logits.softmax(dim=-1)
    return y


def reduce_attention(module: VisionTransformer, x: Tensor, reduce: Callable[[Tensor], Reduced]) -> list[Reduced]:
    """`reduce` of the attention weights [B, k, S, S] of every layer, in order, for images [B, 3, H, W].

    The weights of one layer are held at a time, since those of all layers would not fit the memory. An axial block is
    two layers, whose weights between tokens of different rows (columns) are zero.
    """
    reduced: list[Reduced] = []

    def hook(spread: Callable[[Tensor], Tensor]) -> Callable[..., None]:
        return lambda layer, args: reduced.append(reduce(spread(attention_weights(layer, args[0]))))

    handles = [part.register_forward_pre_hook(hook(spread)) for part, spread in _layers(module)]
    try:
        with torch.no_grad():
            module.features(x)
    finally:
        for handle in handles:
            handle.remove()
    return reduced


def _layers(module: VisionTransformer) -> list[tuple[Attention, Callable[[Tensor], Tensor]]]:
    """Every attention layer, and the function that brings its weights to [B, k, S, S]."""
    layers: list[tuple[Attention, Callable[[Tensor], Tensor]]] = []
    for block in module.blocks:
        if isinstance(block, AxialBlock):
            layers += [(_attention(block.row), rows_to_tokens), (_attention(block.column), columns_to_tokens)]
        else:
            layers.append((_attention(block), lambda weights: weights))
    return layers


def _attention(block: Any) -> Attention:
    assert isinstance(block.attention, Attention)
    return block.attention


def rows_to_tokens(weights: Tensor) -> Tensor:
    """Weights within the rows of a square grid, [B G, k, G, G], as weights between all tokens, [B, k, N, N]."""
    G = weights.shape[-1]
    by_row = weights.unflatten(0, (-1, G))  # [B, row, k, column, column]
    same = torch.eye(G, dtype=weights.dtype, device=weights.device)
    return torch.einsum("brkcd,rs->bkrcsd", by_row, same).flatten(4, 5).flatten(2, 3)


def columns_to_tokens(weights: Tensor) -> Tensor:
    """Weights within the columns of a square grid, [B G, k, G, G], as weights between all tokens, [B, k, N, N]."""
    G = weights.shape[-1]
    by_column = weights.unflatten(0, (-1, G))  # [B, column, k, row, row]
    same = torch.eye(G, dtype=weights.dtype, device=weights.device)
    return torch.einsum("bckrs,cd->bkrcsd", by_column, same).flatten(4, 5).flatten(2, 3)


# --- attention distance ------------------------------------------------------------------------------------------


def grid_distances(grid: int) -> Tensor:
    """Euclidean distances between the patches of a square grid in raster order, [N, N], in patches."""
    places = torch.cartesian_prod(torch.arange(grid), torch.arange(grid)).double()  # [N, 2]
    # By differences: the form by products is inexact for near points.
    return torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")


def mean_distances(weights: Tensor, class_token: bool) -> Tensor:
    """Attention distance (§D.7) of a layer's weights [B, k, S, S] by image and head: [B, k], in patches.

    For each patch, the mean distance to all patches weighted by its attention to them; then the mean over patches. The
    weights are normalized to sum to one without the class token's. A patch's attention to itself counts, at distance 0.
    """
    patches = weights[..., int(class_token) :, int(class_token) :].double()  # [B, k, N, N]
    distances = grid_distances(isqrt(patches.shape[-1])).to(patches.device)
    # All attention may go to the class token: then the distance is 0, not 0 / 0.
    to_patches = patches.sum(-1).clamp_min(torch.finfo(torch.float64).tiny)
    return ((patches * distances).sum(-1) / to_patches).mean(-1)


# --- rollout -----------------------------------------------------------------------------------------------------


def rollout(heads: list[Tensor], class_token: bool) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020, §D.8): shares [B, N] of the patches in the output, which sum to one.

    `heads` holds each layer's weights [B, S, S], averaged over its heads. The identity stands for the skip connection:
    the matrices (A + I) / 2 of all layers are multiplied, from the first to the last. The output is the class token, or
    the mean of all patches in a model without one.
    """
    identity = torch.eye(heads[0].shape[-1], dtype=torch.float64, device=heads[0].device)
    mixed = identity
    for weights in heads:
        step = weights.double() + identity
        mixed = (step / step.sum(-1, keepdim=True)) @ mixed
    shares = mixed[:, 0, 1:] if class_token else mixed.mean(1)
    return shares / shares.sum(-1, keepdim=True)


# --- filters and positions ---------------------------------------------------------------------------------------


def principal_filters(weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Principal components of a patch embedding's filters [D, C, P, P] (Figure 7, left).

    Returns components [n, C, P, P] of unit length, the strongest first, and the share [n] of the filters' variance that
    each explains; n is the least of `count`, D and C P P. The sign of a component is arbitrary: the one with which its
    largest value is positive is taken, so that the same weights give the same picture.
    """
    flat = weight.detach().double().flatten(1)  # [D, C P P]
    _, sizes, components = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    components = components[:count]
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    variance = sizes.square() / sizes.square().sum().clamp_min(torch.finfo(torch.float64).tiny)
    return (components * largest.sign()).unflatten(1, weight.shape[1:]), variance[:count]


def position_similarities(module: VisionTransformer) -> list[Tensor]:
    """Cosine similarities [N, N] of the patches' position embeddings, each with all others (Figure 7, centre).

    One matrix, or one per layer where each layer has its own positions; none for a model without tables of positions.
    """
    tables = tables_by_place(module.pos_embed, module.spec)
    if module.spec.positions_at == "every_layer_shared":
        tables = tables[:2]  # the stem's, which is none, and the first layer's: all layers have the same
    similarities = []
    for table in tables:
        if table is not None:
            patches = table.detach().double().reshape(-1, module.spec.width)[int(module.cls_token is not None) :]
            unit = nn.functional.normalize(patches, dim=1)
            similarities.append(unit @ unit.T)
    return similarities

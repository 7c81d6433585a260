"""What a trained Transformer does inside (§4.5, D.7, D.8): attention maps, how far they reach, filters, positions.

The models are used as they are: what a layer of attention is given is caught on its way in, and its weights are worked
out again from its queries and keys, so training knows nothing of this.

Shapes: B images, C channels, P pixels a side of a patch, G x G = N patches, S tokens (N, or 1+N with a class token),
D width, k heads.
"""

from collections.abc import Callable
from math import isqrt
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from scaling.models import Attention, AxialBlock, VisionTransformer, relative_logits, tables_by_place

T = TypeVar("T")


def attention_weights(layer: Attention, x: Tensor) -> Tensor:
    """The weights of a layer (Eq. 6), [B, k, S, S], from what it is given, [B, S, D]: each row sums to one."""
    q, k, _ = (part.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2) for part in layer.qkv(x).chunk(3, dim=-1))
    logits = (q * q.shape[-1] ** -0.5) @ k.mT  # [B, k, S, S]
    if layer.relative is not None:
        logits = logits + relative_logits(q, layer.relative)
    return logits.softmax(dim=-1)


def look(module: VisionTransformer, x: Tensor, see: Callable[[Tensor], T]) -> list[T]:
    """What `see` makes of the weights [B, k, S, S] of every layer, in their order, for images [B, 3, H, W].

    One layer's weights are held at a time. An axial block is two layers, whose weights between tokens of different rows
    (columns) are zero.
    """
    seen: list[T] = []

    def hook(spread: Callable[[Tensor], Tensor]) -> Callable[..., None]:
        return lambda layer, args: seen.append(see(spread(attention_weights(layer, args[0]))))

    handles = [part.register_forward_pre_hook(hook(spread)) for part, spread in _layers(module)]
    try:
        with torch.no_grad():
            module.features(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _layers(module: VisionTransformer) -> list[tuple[Attention, Callable[[Tensor], Tensor]]]:
    """Every layer of attention, and how its weights are brought to [B, k, S, S]."""
    found: list[tuple[Attention, Callable[[Tensor], Tensor]]] = []
    for block in module.blocks:
        if isinstance(block, AxialBlock):
            found += [(_attention(block.row), rows_to_tokens), (_attention(block.column), columns_to_tokens)]
        else:
            found.append((_attention(block), lambda weights: weights))
    return found


def _attention(block: Any) -> Attention:
    assert isinstance(block.attention, Attention)
    return block.attention


def rows_to_tokens(weights: Tensor) -> Tensor:
    """Weights inside each row of a square grid, [B G, k, G, G], as those between all its tokens: [B, k, N, N]."""
    G = weights.shape[-1]
    by_row = weights.unflatten(0, (-1, G))  # [B, row, k, column, column]
    same = torch.eye(G, dtype=weights.dtype, device=weights.device)
    return torch.einsum("brkcd,rs->bkrcsd", by_row, same).flatten(4, 5).flatten(2, 3)


def columns_to_tokens(weights: Tensor) -> Tensor:
    """Weights inside each column, [B G, k, G, G], as those between all tokens: [B, k, N, N]."""
    G = weights.shape[-1]
    by_column = weights.unflatten(0, (-1, G))  # [B, column, k, row, row]
    same = torch.eye(G, dtype=weights.dtype, device=weights.device)
    return torch.einsum("bckrs,cd->bkrcsd", by_column, same).flatten(4, 5).flatten(2, 3)


# --- attention distance ------------------------------------------------------------------------------------------


def grid_distances(grid: int) -> Tensor:
    """Euclidean distances between the patches of a square grid in raster order, [N, N], in patches."""
    places = torch.cartesian_prod(torch.arange(grid), torch.arange(grid)).double()  # [N, 2]
    return torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")


def mean_distances(weights: Tensor, class_token: bool) -> Tensor:
    """Attention distance (§D.7) of a layer's weights [B, k, S, S], by image and head: [B, k], in patches.

    Of each patch, the mean distance to all patches weighted by its attention, which is divided by what the class token
    leaves of it; then the mean over patches. A patch's attention to itself counts, with distance 0.
    """
    patches = weights[..., int(class_token) :, int(class_token) :].double()  # [B, k, N, N]
    distances = grid_distances(isqrt(patches.shape[-1])).to(patches.device)
    left = patches.sum(-1).clamp_min(torch.finfo(torch.float64).tiny)  # all of it may be the class token's
    return ((patches * distances).sum(-1) / left).mean(-1)


# --- rollout -----------------------------------------------------------------------------------------------------


def rollout(heads: list[Tensor], class_token: bool) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020, §D.8): shares [B, N] of the patches in the output, which sum to one.

    `heads`: of each layer, the mean over heads of its weights, [B, S, S]. The identity stands for the skip connection:
    (A + I) / 2 of every layer, multiplied from the first to the last. The output is the class token, or the mean of all
    patches in a model without one.
    """
    mixed = torch.eye(heads[0].shape[-1], dtype=torch.float64, device=heads[0].device)
    identity = mixed
    for weights in heads:
        step = weights.double() + identity
        mixed = (step / step.sum(-1, keepdim=True)) @ mixed
    shares = mixed[:, 0, 1:] if class_token else mixed.mean(1)
    return shares / shares.sum(-1, keepdim=True)


# --- filters and positions ---------------------------------------------------------------------------------------


def principal_filters(weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Principal components of a patch embedding's filters [D, C, P, P] (Figure 7, left).

    Returns components [n, C, P, P] of unit length, the strongest first, each with its largest value positive, and
    the share [n] of the filters' variance that each explains; n is at most `count`, D and C P P.
    """
    flat = weight.detach().double().flatten(1)  # [D, C P P]
    _, sizes, components = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    components = components[:count]
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    variance = sizes.square() / sizes.square().sum().clamp_min(torch.finfo(torch.float64).tiny)
    return (components * largest.sign()).unflatten(1, weight.shape[1:]), variance[:count]


def position_similarities(module: VisionTransformer) -> list[Tensor]:
    """Cosine similarity of the patches' position embeddings, each against all (Figure 7, centre): [N, N] a table.

    One table, or one a layer; none for a model without tables of positions.
    """
    tables = tables_by_place(module.pos_embed, module.spec)
    if module.spec.positions_at == "every_layer_shared":
        tables = tables[:2]
    found = []
    for table in tables:
        if table is not None:
            patches = table.detach().double().reshape(-1, module.spec.width)[int(module.cls_token is not None) :]
            unit = nn.functional.normalize(patches, dim=1)
            found.append(unit @ unit.T)
    return found

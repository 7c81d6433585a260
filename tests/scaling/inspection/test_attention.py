"""Attention maps, distances, rollout, filters and positions against slow computations that follow the paper's words."""

import math
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scaling.inspection.attention import (
    attention_weights,
    columns_to_tokens,
    grid_distances,
    mean_distances,
    position_similarities,
    principal_filters,
    reduce_attention,
    rollout,
    rows_to_tokens,
)
from scaling.models.build import build
from scaling.models.vit import Block, VisionTransformer
from scaling.specs.architectures import ViT
from tests.helpers.kinds import all_known, known
from tests.helpers.specs import TINY, VIT_FORMS

TWO = replace(TINY, depth=2)


def shaken(spec: ViT, resolution: int = 24) -> VisionTransformer:
    """A model whose weights are all far from their initial values, so that attention is far from uniform."""
    module = build(spec, 3, resolution=resolution)
    assert isinstance(module, VisionTransformer)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(0.3 * torch.randn_like(value))
    return module.eval()


def random_weights(seed: int, tokens: int, heads: int = 3) -> Tensor:
    torch.manual_seed(seed)
    return (3 * torch.randn(2, heads, tokens, tokens)).softmax(-1)


def slow_distance(weights: np.ndarray, class_token: bool, grid: int) -> float:
    """One head's attention distance, patch by patch: weights [S, S]."""
    means = []
    skip = int(class_token)
    for query in range(grid * grid):
        total = met = 0.0
        for key in range(grid * grid):
            weight = weights[skip + query, skip + key]
            total += weight * math.dist(divmod(query, grid), divmod(key, grid))
            met += weight
        means.append(total / met)
    return sum(means) / len(means)


def slow_weights(module: VisionTransformer, x: Tensor) -> list[np.ndarray]:
    """The attention weights [S, S, k] of every full layer for one image, one query and head at a time (Eq. 5-6)."""
    tokens, layers = module.embed(x)[0], []
    class_token = module.cls_token
    if class_token is not None:
        tokens = torch.cat([class_token[0], tokens])
    tokens = tokens + known(Tensor, module.pos_embed)[0]
    for block in all_known(Block, module.blocks):
        k = block.attention.num_heads
        normed = block.norm1(tokens)
        q, key, value = (normed @ part.T for part in block.attention.qkv.weight.chunk(3))
        q, key, value = (a + b for a, b in zip((q, key, value), block.attention.qkv.bias.chunk(3), strict=True))
        size = q.shape[1] // k
        weights, mixed = np.zeros((len(q), len(q), k)), torch.zeros_like(q)
        for i, head in product(range(len(q)), range(k)):
            part = slice(head * size, (head + 1) * size)
            logits = torch.stack([q[i, part] @ key[j, part] for j in range(len(q))]) / math.sqrt(size)
            row = logits.exp() / logits.exp().sum()
            weights[i, :, head] = row
            mixed[i, part] = sum(w * value[j, part] for j, w in enumerate(row))
        tokens = tokens + mixed @ block.attention.out.weight.T + block.attention.out.bias
        hidden = torch.nn.functional.gelu(block.fc1(block.norm2(tokens)), approximate="tanh")
        tokens = tokens + block.fc2(hidden)
        layers.append(weights)
    return layers


@pytest.mark.parametrize("pool", ["token", "gap"])
def test_distance_and_rollout_of_a_model_are_those_of_a_slow_computation(pool: Literal["token", "gap"]) -> None:
    module = shaken(replace(TWO, pool=pool))
    x = torch.rand(3, 3, 24, 24)
    token = pool == "token"
    seen = reduce_attention(module, x, lambda weights: (mean_distances(weights, token), weights.mean(1)))
    shares = rollout([heads for _, heads in seen], token)
    for image in range(3):
        with torch.no_grad():
            slow = slow_weights(module, x[image : image + 1])
        mixed = np.eye(9 + token)
        for layer, weights in enumerate(slow):
            for head in range(2):
                distance = slow_distance(weights[..., head], token, 3)
                assert seen[layer][0][image, head].item() == pytest.approx(distance, rel=1e-4)
            step = weights.mean(-1) + np.eye(9 + token)
            mixed = (step / step.sum(1, keepdims=True)) @ mixed
        expected = mixed[0, 1:] if token else mixed.mean(0)
        np.testing.assert_allclose(shares[image], expected / expected.sum(), rtol=1e-4)


@pytest.mark.parametrize("form", VIT_FORMS, ids=str)
def test_what_is_seen_is_what_the_model_does(form: dict[str, Any]) -> None:
    """The layer's output made from the weights that are seen equals its own, in every form of a ViT."""
    module = shaken(replace(TWO, **form), 16)
    x = torch.rand(2, 3, 16, 16)
    caught: list[tuple[Tensor, Tensor]] = []
    layers = [part for name, part in module.named_modules() if name.endswith("attention")]
    for part in layers:
        part.register_forward_hook(lambda part, args, out: caught.append((args[0], out)))
    seen = reduce_attention(module, x, lambda weights: weights)
    assert len(seen) == len(layers) == len(caught)
    for part, weights, (given_to, out) in zip(layers, seen, caught, strict=True):
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        own = attention_weights(part, given_to)
        value = part.qkv(given_to).chunk(3, -1)[2].unflatten(-1, (2, -1)).transpose(1, 2)
        expected = part.out((own @ value).transpose(1, 2).flatten(2))
        torch.testing.assert_close(expected, out, rtol=1e-4, atol=1e-5)


def test_looking_leaves_no_hook_behind() -> None:
    module = shaken(TWO, 16)
    with pytest.raises(RuntimeError, match="seen"):
        reduce_attention(module, torch.rand(1, 3, 16, 16), lambda weights: (_ for _ in ()).throw(RuntimeError("seen")))
    assert not any(part._forward_pre_hooks for part in module.modules())


# --- distance ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 5), st.booleans(), st.integers(0, 1000))
def test_mean_distance_is_the_slow_one(grid: int, class_token: bool, seed: int) -> None:
    weights = random_weights(seed, grid * grid + class_token)
    distances = mean_distances(weights, class_token)
    for image, head in product(range(2), range(3)):
        expected = slow_distance(weights[image, head].double().numpy(), class_token, grid)
        assert distances[image, head].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("grid", [1, 2, 7, 14])
@pytest.mark.parametrize("class_token", [True, False])
def test_uniform_attention_has_the_mean_distance_of_the_grid(grid: int, class_token: bool) -> None:
    tokens = grid * grid + class_token
    weights = torch.full((1, 1, tokens, tokens), 1 / tokens)
    # Each of the G^4 pairs by how many pairs lie so many rows and columns apart.
    offsets = [(abs(i), grid - abs(i)) for i in range(1 - grid, grid)]
    expected = sum(a * b * math.hypot(i, j) for (i, a), (j, b) in product(offsets, offsets)) / grid**4
    assert mean_distances(weights, class_token).item() == pytest.approx(expected)


def test_attention_to_oneself_reaches_nowhere_and_to_the_class_token_does_not_count() -> None:
    own = torch.eye(10)[None, None]
    assert mean_distances(own, True).item() == 0
    away = torch.zeros(1, 1, 10, 10)
    away[..., 0] = 1  # all of it goes to the class token: no distance, and no division by zero
    assert mean_distances(away, True).item() == 0


def test_distances_of_a_grid() -> None:
    distances = grid_distances(3)
    assert distances[0, 8].item() == pytest.approx(8**0.5)  # corner to corner
    assert torch.equal(distances, distances.T)
    assert distances[4].max().item() == pytest.approx(2**0.5)  # from the middle


# --- rollout -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.integers(0, 1000))
def test_shares_of_a_rollout_are_a_distribution(depth: int, grid: int, class_token: bool, seed: int) -> None:
    heads = [random_weights(seed + i, grid * grid + class_token).mean(1) for i in range(depth)]
    shares = rollout(heads, class_token)
    assert shares.shape == (2, grid * grid)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(2, dtype=torch.float64))


def test_a_rollout_of_identities_without_class_token_is_even() -> None:
    assert rollout([torch.eye(4)[None]] * 3, False)[0].tolist() == pytest.approx([0.25] * 4)


def test_the_order_of_layers_counts() -> None:
    heads = [random_weights(seed, 5).mean(1) for seed in (1, 2)]
    assert not torch.allclose(rollout(heads, True), rollout(heads[::-1], True), rtol=1e-3)


def test_axial_weights_spread_to_all_tokens() -> None:
    torch.manual_seed(0)
    rows = torch.rand(2 * 3, 2, 3, 3)  # of 2 images with a grid of 3, 2 heads
    by_row, by_column = rows_to_tokens(rows), columns_to_tokens(rows)
    for image, head, a, b in product(range(2), range(2), range(9), range(9)):
        (row, column), (row2, column2) = divmod(a, 3), divmod(b, 3)
        expected = rows[3 * image + row, head, column, column2].item() if row == row2 else 0.0
        assert by_row[image, head, a, b].item() == expected
        expected = rows[3 * image + column, head, row, row2].item() if column == column2 else 0.0
        assert by_column[image, head, a, b].item() == expected


# --- filters and positions ---------------------------------------------------------------------------------------


def test_principal_components_are_those_of_the_covariance() -> None:
    torch.manual_seed(0)
    weight = torch.randn(40, 3, 2, 2) * torch.linspace(1, 4, 12).view(3, 2, 2)
    components, variance = principal_filters(weight, 5)
    sizes, vectors = np.linalg.eigh(np.cov(weight.flatten(1).numpy().astype(float).T))
    assert components.shape == (5, 3, 2, 2)
    for place in range(5):
        assert variance[place].item() == pytest.approx(sizes[-1 - place] / sizes.sum())
        assert abs(components[place].flatten().numpy() @ vectors[:, -1 - place]) == pytest.approx(1)
        assert components[place].max() == components[place].abs().max()


def test_there_are_no_more_components_than_filters_or_values() -> None:
    assert principal_filters(torch.randn(4, 3, 2, 2), 28)[0].shape == (4, 3, 2, 2)
    assert principal_filters(torch.randn(40, 1, 2, 2), 28)[0].shape == (4, 1, 2, 2)
    components, variance = principal_filters(torch.zeros(4, 3, 2, 2), 2)  # nothing was learned, nothing is NaN
    assert components.isfinite().all()
    assert variance.tolist() == [0, 0]


@pytest.mark.parametrize("form", VIT_FORMS, ids=str)
def test_position_similarities_of_every_form(form: dict[str, Any]) -> None:
    module = shaken(replace(TWO, **form), 24)
    similarities = position_similarities(module)
    tables = 0 if form["positions"] in ("none", "relative") else 2 if form["positions_at"] == "every_layer" else 1
    assert len(similarities) == tables
    for cosines in similarities:
        assert cosines.shape == (9, 9)
        torch.testing.assert_close(cosines.diagonal(), torch.ones(9, dtype=torch.float64))
        torch.testing.assert_close(cosines, cosines.T)


def test_the_class_tokens_position_is_left_out() -> None:
    module = shaken(TWO, 24)
    table = known(Tensor, module.pos_embed)[0, 1:].double()
    expected = table[2] @ table[5] / table[2].norm() / table[5].norm()
    assert position_similarities(module)[0][2, 5].item() == pytest.approx(expected.item())

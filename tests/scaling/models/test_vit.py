import math
from typing import Any, TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling.models.build import build
from scaling.models.layers import lecun_normal_
from scaling.models.vit import Attention, Block, VisionTransformer
from scaling.specs.architectures import ViT
from tests.helpers.kinds import known

TINY = ViT(patch_size=4, width=12, depth=2, mlp_dim=20, num_heads=3)
WITH_HIDDEN = ViT(patch_size=4, width=12, depth=2, mlp_dim=20, num_heads=3, representation_size=7)
Module = TypeVar("Module", bound=nn.Module)


def made(spec: ViT, **options: Any) -> VisionTransformer:
    return known(VisionTransformer, build(spec, 5, **options))


def randomized(module: Module) -> Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.mark.parametrize(("spec", "size"), [(TINY, 12), (WITH_HIDDEN, 7)])
def test_shapes_and_start(spec: ViT, size: int) -> None:
    model = made(spec, resolution=16, head_bias=-10.0)
    images = torch.randn(2, 3, 16, 16)
    assert model.features(images).shape == (2, size)
    assert torch.equal(model(images), torch.full((2, 5), -10.0))
    assert known(Tensor, model.pos_embed).shape == (1, 17, 12)
    assert known(Tensor, model.cls_token).shape == (1, 1, 12)


def test_features_are_taken_before_tanh() -> None:
    model = randomized(made(WITH_HIDDEN, resolution=16))
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(model(images), model.head(torch.tanh(model.features(images))))


def test_attention_equals_the_formula() -> None:
    attention = randomized(Attention(12, 3))
    x = torch.randn(2, 5, 12)
    q, k, v = attention.qkv(x).view(2, 5, 3, 3, 4).unbind(2)  # [B, N, k, D/k]
    weights = (torch.einsum("bnhd,bmhd->bhnm", q, k) / math.sqrt(4)).softmax(-1)
    expected = attention.out(torch.einsum("bhnm,bmhd->bnhd", weights, v).reshape(2, 5, 12))
    torch.testing.assert_close(attention(x), expected)


def test_patches_are_in_raster_order_and_leftover_pixels_ignored() -> None:
    model = made(TINY, resolution=18)
    images = torch.randn(1, 3, 18, 18)
    patch = images[0, :, 4:8, 8:12]  # row 1, column 2 of a 4 x 4 grid
    embedded = model.patch_embed(images).flatten(2).transpose(1, 2)
    assert model.patch_embed.bias is not None
    expected = (model.patch_embed.weight * patch).sum(dim=(1, 2, 3)) + model.patch_embed.bias
    assert known(Tensor, model.pos_embed).shape[1] == 1 + 16
    torch.testing.assert_close(embedded[0, 1 * 4 + 2], expected)


def test_a_block_equals_the_formula() -> None:
    block = randomized(Block(TINY, grid=2, dropout=0.0))
    x = torch.randn(2, 5, 12) * 1e-2  # small enough for the norm's epsilon to count
    normed = F.layer_norm(x, [12], block.norm1.weight, block.norm1.bias, eps=1e-6)
    x_mid = x + block.attention(normed)
    normed = F.layer_norm(x_mid, [12], block.norm2.weight, block.norm2.bias, eps=1e-6)
    h = block.fc1(normed)
    h = h / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))  # GELU, tanh form
    torch.testing.assert_close(block(x), x_mid + block.fc2(h), atol=1e-5, rtol=1e-4)


def test_no_dropout_in_evaluation() -> None:
    model = randomized(made(TINY, resolution=16, dropout=0.5))
    images = torch.randn(1, 3, 16, 16)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_initial_distributions() -> None:
    torch.manual_seed(0)
    model = made(ViT(4, 64, 1, 256, 4, representation_size=64), resolution=32)
    block = known(Block, model.blocks[0])
    assert model.pre_logits is not None
    for kernel in (*block.attention.qkv.weight.chunk(3), block.attention.out.weight, block.fc1.weight):
        bound = math.sqrt(6 / sum(kernel.shape))  # Xavier uniform
        assert 0.98 * bound < kernel.abs().max() <= bound
    assert block.fc2.weight.abs().max() <= math.sqrt(6 / 320)
    for dense in (block.fc1, block.fc2):
        assert dense.bias.std().item() == pytest.approx(1e-6, rel=0.3)
    for norm in (block.norm1, block.norm2, model.norm):
        assert torch.all(norm.weight == 1)
        assert not norm.bias.any()
    assert not block.attention.qkv.bias.any()
    assert not block.attention.out.bias.any()
    assert known(Tensor, model.pos_embed).std().item() == pytest.approx(0.02, rel=0.1)
    assert not known(Tensor, model.cls_token).any()
    assert model.patch_embed.weight.std().item() == pytest.approx(48**-0.5, rel=0.1)
    assert model.pre_logits.weight.std().item() == pytest.approx(64**-0.5, rel=0.1)
    assert not model.pre_logits.bias.any()
    assert not known(Tensor, model.patch_embed.bias).any()
    assert not model.head.weight.any()


def test_lecun_normal_is_truncated() -> None:
    weight = torch.empty(1000, 25)
    lecun_normal_(weight)
    assert weight.std().item() == pytest.approx(0.2, rel=0.03)
    assert weight.abs().max() <= 2 * 0.2 / 0.8796


def test_the_seed_decides_the_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(made(TINY, resolution=16).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["pos_embed"], states[2]["pos_embed"])


def test_image_below_one_patch() -> None:
    with pytest.raises(ValueError, match="smaller than one patch"):
        made(TINY, resolution=3)

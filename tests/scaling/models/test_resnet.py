import math
from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from scaling.models.build import build
from scaling.models.layers import GroupNorm
from scaling.models.resnet import (
    Backbone,
    BiTResNet,
    Bottleneck,
    PreBottleneck,
    StdConv,
    max_pool_fixed,
    max_pool_same,
    same_padding,
    standardize,
)
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import Hybrid, ResNet, ViT
from tests.helpers.kinds import all_known, known

TINY = ResNet((1, 2), width=8, groups=4)
PRE = ResNet((1, 2), width=8, groups=4, activation="pre")


def same_windows(size: int, kernel: int, stride: int) -> list[list[int]]:
    """The input positions under each output of XLA's SAME rule, by its definition; the padding's lie outside."""
    outputs = math.ceil(size / stride)
    before = max(stride * (outputs - 1) + kernel - size, 0) // 2
    return [[i * stride - before + tap for tap in range(kernel)] for i in range(outputs)]


def same_taps(image: torch.Tensor, kernel: int, stride: int) -> dict[tuple[int, int], list[tuple[int, int, int, int]]]:
    """(a, b, y, x) of every tap of a window that lies inside the image, by the window's place (i, j)."""
    rows, columns = (same_windows(size, kernel, stride) for size in image.shape[2:])
    return {
        (i, j): [
            (a, b, y, x)
            for a, y in enumerate(row)
            for b, x in enumerate(column)
            if 0 <= y < image.shape[2] and 0 <= x < image.shape[3]
        ]
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    }


@pytest.mark.parametrize("size", [1, 2, 3, 6, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (2, 1), (3, 1), (3, 2), (7, 2)])
def test_same_convolution_equals_brute_force(size: int, kernel: int, stride: int) -> None:
    image = torch.randn(1, 2, size, size + 1)  # odd and even at once
    conv = StdConv(2, 3, kernel, stride)
    filters, convolved = standardize(conv.weight, False), conv(image)
    for (i, j), taps in (windows := same_taps(image, kernel, stride)).items():
        total = sum((filters[:, :, a, b] @ image[0, :, y, x] for a, b, y, x in taps), torch.zeros(3))
        torch.testing.assert_close(convolved[0, :, i, j], total, atol=1e-4, rtol=1e-4)
    assert convolved.shape[2] * convolved.shape[3] == len(windows)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 9])
def test_same_pooling_equals_brute_force(size: int) -> None:
    image = torch.randn(1, 2, size, size + 1) - 5  # a border of zeros would win
    pooled = max_pool_same(image)
    for (i, j), taps in (windows := same_taps(image, 3, 2)).items():
        assert torch.equal(pooled[0, :, i, j], torch.stack([image[0, :, y, x] for _, _, y, x in taps]).amax(0))
    assert pooled.shape[2] * pooled.shape[3] == len(windows)


def test_same_padding_puts_the_odd_zero_after() -> None:
    assert same_padding(224, 7, 2) == (2, 3)
    assert same_padding(112, 3, 2) == (0, 1)
    assert same_padding(113, 3, 2) == (1, 1)
    assert same_padding(8, 1, 2) == (0, 0)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("scale", [3.0, 1e-4])
def test_weight_standardization(fixed: bool, scale: float) -> None:
    conv = StdConv(6, 4, 3, fixed=fixed).double()
    with torch.no_grad():
        conv.weight.mul_(scale).add_(scale)
        conv.weight[0] = 1.0  # no deviation at all
    w = conv.weight
    mean, var = w.mean(dim=(1, 2, 3), keepdim=True), w.var(dim=(1, 2, 3), keepdim=True, correction=0)
    image = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    expected = F.conv2d(image, (w - mean) / ((var + 1e-10).sqrt() if fixed else var.sqrt() + 1e-5), padding=1)
    torch.testing.assert_close(conv(image), expected)


def test_a_new_block_computes_its_shortcut() -> None:
    block = Bottleneck(32, 8, 1, groups=4)
    x = torch.rand(2, 32, 5, 5)
    assert block.conv_proj is None
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize("size", [16, 17, 31])
def test_feature_map(stem: Literal["imagenet", "small"], size: int) -> None:
    spec = ResNet((1, 1, 1), width=8, stem=stem, groups=4)
    side = math.ceil(size / spec.stride)
    assert Backbone(spec)(torch.randn(1, 3, size, size)).shape == (1, spec.out_channels, side, side)


def test_shapes_and_start() -> None:
    model = build(TINY, 5, resolution=16, head_bias=-3.0)
    images = torch.randn(2, 3, 16, 16)
    assert model.features(images).shape == (2, TINY.out_channels)
    assert torch.equal(model(images), torch.full((2, 5), -3.0))


def test_the_scale_of_a_kernel_does_not_matter() -> None:
    model = build(TINY, 5, resolution=16)
    images = torch.randn(2, 3, 16, 16)
    before = model.features(images)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, StdConv):
                module.weight.mul_(7)
    torch.testing.assert_close(model.features(images), before, atol=1e-4, rtol=1e-4)


def test_kernels_start_as_lecun_normal_and_norms_as_identity() -> None:
    torch.manual_seed(0)
    model = known(BiTResNet, build(ResNet((2,), width=32, groups=4), 5, resolution=16))
    assert model.backbone.conv_root.weight.std().item() == pytest.approx((3 * 49) ** -0.5, rel=0.1)
    for block in all_known(Bottleneck, model.backbone.blocks):
        assert torch.all(block.gn1.weight == 1)
        assert torch.all(known(GroupNorm, block.gn2).weight == 1)
        assert torch.all(block.gn3.weight == 0)


def plain_pre_activation(spec: ResNet, weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The feature map of the BiT paper's ResNet, as a recipe."""

    def conv(name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        w = weights[f"{name}.weight"]
        var, mean = torch.var_mean(w, dim=(1, 2, 3), keepdim=True, correction=0)
        return F.conv2d(x, (w - mean) / (var + 1e-10).sqrt(), stride=stride, padding=w.shape[-1] // 2)

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.relu(F.group_norm(x, spec.groups, weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-5))

    x = conv("conv_root", x, 2 if spec.stem == "imagenet" else 1)
    if spec.stem == "imagenet":
        x = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), kernel_size=3, stride=2)
    strides = [2 if stage and not unit else 1 for stage, depth in enumerate(spec.depths) for unit in range(depth)]
    for i, stride in enumerate(strides):
        block = f"blocks.{i}"
        normed = norm(f"{block}.gn1", x)
        shortcut = conv(f"{block}.conv_proj", normed, stride) if f"{block}.conv_proj.weight" in weights else x
        y = conv(f"{block}.conv2", norm(f"{block}.gn2", conv(f"{block}.conv1", normed)), stride)
        x = shortcut + conv(f"{block}.conv3", norm(f"{block}.gn3", y))
    return norm("gn_out", x)


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize("size", [(16, 16), (17, 17), (31, 22)])
def test_pre_activation_equals_the_recipe(stem: Literal["imagenet", "small"], size: tuple[int, int]) -> None:
    spec = ResNet((1, 2), width=8, stem=stem, groups=4, activation="pre")
    backbone = Backbone(spec)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        images = torch.randn(2, 3, *size)
        expected = plain_pre_activation(spec, backbone.state_dict(), images)
        torch.testing.assert_close(backbone(images), expected, atol=1e-4, rtol=1e-4)


def test_a_pool_of_zeros_may_win() -> None:
    assert torch.equal(max_pool_fixed(-torch.ones(1, 1, 3, 3)), torch.zeros(1, 1, 2, 2))


def test_pre_activation_has_the_names_of_the_released_checkpoints() -> None:
    names = {name.rpartition(".")[0] for name in build(PRE, 5, resolution=16).state_dict()}
    layers = {f"backbone.blocks.{i}.{kind}{n}" for i in range(3) for kind in ("gn", "conv") for n in (1, 2, 3)}
    projections = {"backbone.blocks.0.conv_proj", "backbone.blocks.1.conv_proj"}
    assert names == layers | projections | {"backbone.conv_root", "backbone.gn_out", "head"}


def test_pre_activation_starts_with_all_norms_the_identity_and_a_classifier_of_zeros() -> None:
    model = known(BiTResNet, build(PRE, 5, resolution=16, head_bias=-3.0))
    assert all(block.gn3.weight.eq(1).all() for block in all_known(PreBottleneck, model.backbone.blocks))
    assert torch.equal(model(torch.randn(2, 3, 16, 16)), torch.full((2, 5), -3.0))


def test_pre_activation_as_the_backbone_of_a_hybrid() -> None:
    spec = Hybrid(PRE, ViT(patch_size=1, width=12, depth=1, mlp_dim=20, num_heads=3))
    model = known(VisionTransformer, build(spec, 5, resolution=33))
    assert known(torch.Tensor, model.pos_embed).shape == (1, 1 + 5 * 5, 12)
    assert model(torch.randn(1, 3, 33, 33)).shape == (1, 5)

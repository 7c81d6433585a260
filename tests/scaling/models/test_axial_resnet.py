import math
from typing import Literal, TypeVar

import pytest
import torch
import torch.nn.functional as F

from scaling.models import build, load_pretrained
from scaling.models.axial_resnet import AxialAttention, LineAttention
from scaling.models.positions import resize_offsets
from scaling.models.resnet import BiTResNet, Bottleneck
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.training.parameters import kernels
from tests.helpers.kinds import all_known, known

TINY = ResNet((1, 2), width=8, groups=4, spatial="axial", num_heads=2)
Layer = TypeVar("Layer", bound=torch.nn.Module)


def brute_force(layer: LineAttention, line: torch.Tensor) -> torch.Tensor:
    """The attention of one line [C, L] by Wang et al.'s Equation 4, a pair of positions at a time, before its norm."""
    C, L = line.shape
    d = C // layer.num_heads
    qkv = layer.gn_qkv((layer.qkv.weight @ line)[None])[0]
    out = torch.zeros(C, L)
    for head in range(layer.num_heads):
        q, k, v = qkv[2 * d * head : 2 * d * (head + 1)].split([d // 2, d // 2, d])
        for o in range(L):
            pairs = [layer.offsets[:, p - o + L - 1].split([d // 2, d // 2, d]) for p in range(L)]
            logits = [q[:, o] @ k[:, p] + q[:, o] @ r_q + k[:, p] @ r_k for p, (r_q, r_k, _) in enumerate(pairs)]
            weights = torch.stack(logits).softmax(dim=0)
            for p, (_, _, r_v) in enumerate(pairs):
                out[d * head : d * (head + 1), o] += weights[p] * (v[:, p] + r_v)
    return out


def bottlenecks(model: torch.nn.Module) -> list[Bottleneck]:
    return all_known(Bottleneck, known(BiTResNet, model).backbone.blocks)


def strong(layer: Layer) -> Layer:
    """The layer with weights at which every term counts."""
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


@pytest.mark.parametrize("length", [1, 2, 5])
@torch.no_grad()
def test_line_attention_equals_brute_force(length: int) -> None:
    layer = strong(LineAttention(width=8, num_heads=2, groups=2, length=length))
    lines = torch.randn(3, 8, length)
    expected = torch.stack([brute_force(layer, line) for line in lines])
    torch.testing.assert_close(layer(lines), layer.gn_out(expected), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("side", "stride"), [(4, 1), (4, 2), (5, 2)])
@torch.no_grad()
def test_columns_come_first_then_rows_then_averages(side: int, stride: int) -> None:
    layer = strong(AxialAttention(width=8, num_heads=2, groups=2, side=side, stride=stride))
    images = torch.randn(2, 8, side, side)
    columns = torch.stack([layer.columns(images[:, :, :, x]) for x in range(side)], dim=3)
    rows = torch.stack([layer.rows(columns[:, :, y, :]) for y in range(side)], dim=2)
    out = layer(images)
    small = math.ceil(side / stride)
    assert out.shape == (2, 8, small, small)
    padded = F.pad(rows, (0, 1, 0, 1))  # SAME's zeros; they count in an average
    for y in range(small):
        for x in range(small):
            window = padded[:, :, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
            torch.testing.assert_close(out[:, :, y, x], window.mean(dim=(2, 3)), atol=1e-5, rtol=1e-4)


def test_attention_stands_for_the_convolution_and_its_norm() -> None:
    block = bottlenecks(build(TINY, 5, resolution=16))[1]
    assert block.conv_proj is not None
    assert block.gn_proj is not None
    x = torch.randn(2, 32, 4, 4)
    h = F.relu(block.conv2(F.relu(block.gn1(block.conv1(x)))))
    expected = F.relu(block.gn_proj(block.conv_proj(x)) + block.gn3(block.conv3(h)))
    torch.testing.assert_close(block(x), expected)
    assert {name.split(".")[0] for name in block.state_dict()} == {
        *("conv1", "gn1", "conv2", "conv3", "gn3", "conv_proj", "gn_proj")
    }


def test_kernels_start_small_and_the_block_as_its_shortcut() -> None:
    torch.manual_seed(0)
    model = build(ResNet((2,), width=32, groups=4, spatial="axial", num_heads=2), 5, resolution=64, head_bias=-3.0)
    for block in bottlenecks(model):
        axial = known(AxialAttention, block.conv2)
        for line in (axial.columns, axial.rows):
            assert line.qkv.weight.std().item() == pytest.approx(1 / 32, rel=0.1)
            assert line.offsets.shape == (2 * 16, 2 * 16 - 1)
            assert line.offsets.std().item() == pytest.approx(1 / 16, rel=0.1)
        assert torch.all(block.gn3.weight == 0)
    assert torch.equal(model(torch.randn(1, 3, 64, 64)), torch.full((1, 5), -3.0))


def test_dense_kernels_are_decayed_and_offsets_are_not() -> None:
    model = build(TINY, 5, resolution=16)
    decayed = {id(kernel) for kernel in kernels(model)}
    names = [name for name, parameter in model.named_parameters() if id(parameter) in decayed]
    assert "backbone.blocks.0.conv2.rows.qkv.weight" in names
    assert not any("offsets" in name or "gn" in name for name in names)


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize("resolution", [15, 16, 33])
def test_tables_follow_the_resolution_and_train(stem: Literal["imagenet", "small"], resolution: int) -> None:
    spec = ResNet((1, 1, 1), width=8, stem=stem, groups=4, spatial="axial", num_heads=2)
    model = build(spec, 5, resolution=resolution)
    torch.nn.init.normal_(model.head.weight)
    blocks = bottlenecks(model)
    for block in blocks:
        torch.nn.init.ones_(block.gn3.weight)
    model(torch.randn(2, 3, resolution, resolution)).square().sum().backward()
    sides = [(known(AxialAttention, block.conv2).rows.offsets.shape[1] + 1) // 2 for block in blocks]
    first = math.ceil(resolution / (4 if stem == "imagenet" else 1))
    assert sides == [first, first, math.ceil(first / 2)]  # of the input: the pooling comes after
    gradients = [parameter.grad for name, parameter in model.named_parameters() if "offsets" in name]
    assert all(known(torch.Tensor, gradient).abs().sum() > 0 for gradient in gradients)


def test_axial_backbone_of_a_hybrid() -> None:
    spec = Hybrid(TINY, ViT(patch_size=1, width=12, depth=1, mlp_dim=20, num_heads=3))
    assert build(spec, 5, resolution=33)(torch.randn(1, 3, 33, 33)).shape == (1, 5)


def test_another_resolution_is_refused() -> None:
    with pytest.raises(ValueError, match="built for 4 x 4 positions, got 8 x 8"):
        build(TINY, 5, resolution=16)(torch.randn(1, 3, 32, 32))


def test_resized_offsets() -> None:
    """Offsets -2 to 2 of three positions: the ends and the middle stay, those between are interpolated."""
    table = torch.tensor([[0.0, 10.0, 20.0, 40.0, 60.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    assert torch.equal(resize_offsets(table, 3), table)
    expected = torch.tensor([[0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0]])
    torch.testing.assert_close(resize_offsets(table, 5)[:1], expected)
    torch.testing.assert_close(resize_offsets(table, 2), torch.tensor([[0.0, 20.0, 60.0], [5.0, 3.0, 1.0]]))
    assert torch.equal(resize_offsets(table, 1), torch.tensor([[20.0], [3.0]]))
    assert torch.equal(resize_offsets(table[:, 2:3], 2), table[:, 2:3].expand(2, 3))
    assert resize_offsets(table.bfloat16(), 5).dtype == torch.bfloat16


def test_tables_need_the_resolution() -> None:
    with pytest.raises(ValueError, match="needs the image's resolution"):
        BiTResNet(TINY, 5)
    assert BiTResNet(TINY, 5, resolution=16)(torch.randn(1, 3, 16, 16)).shape == (1, 5)


def test_fine_tuning_at_another_size_resizes_the_tables() -> None:
    source, target = build(TINY, 5, resolution=16), build(TINY, 3, resolution=24)
    load_pretrained(target, source.state_dict())
    name = "backbone.blocks.0.conv2.rows.offsets"
    given, fitted = source.state_dict()[name], target.state_dict()[name]
    assert fitted.shape[1] > given.shape[1]
    assert torch.equal(fitted[:, [0, -1]], given[:, [0, -1]])
    load_pretrained(build(TINY, 3, resolution=16), source.state_dict())

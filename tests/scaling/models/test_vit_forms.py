"""What holds of every form of a Vision Transformer: heads, positions and axial attention in all combinations."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from scaling.models import build, load_pretrained
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import ViT
from scaling.training.parameters import kernels
from tests.helpers.kinds import known
from tests.helpers.specs import VIT_FORMS

forms = pytest.mark.parametrize("form", VIT_FORMS, ids=lambda form: "-".join(form.values()))


def tiny(**form: Any) -> ViT:
    return ViT(patch_size=4, width=12, depth=2, mlp_dim=20, num_heads=3, **form)


def made(spec: ViT, resolution: int, dropout: float = 0.0) -> VisionTransformer:
    """A model none of whose parts is without effect."""
    model = known(VisionTransformer, build(spec, 5, resolution=resolution, dropout=dropout))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def permuted(images: Tensor, order: list[int]) -> Tensor:
    """Images whose 4 x 4 patches are in another order."""
    B, C, H, W = images.shape
    patches = images.view(B, C, H // 4, 4, W // 4, 4).transpose(3, 4).reshape(B, C, -1, 4, 4)[:, :, order]
    return patches.view(B, C, H // 4, W // 4, 4, 4).transpose(3, 4).reshape(images.shape)


@forms
def test_shapes_parameters_and_gradients(form: dict[str, str]) -> None:
    model = made(tiny(**form), resolution=18)  # two pixels fill no patch
    images = torch.randn(2, 3, 18, 18)
    logits = model(images)
    assert logits.shape == (2, 5)
    assert model.features(images).shape == (2, 12)
    assert ("cls_token" in model.state_dict()) == (form["pool"] == "token")
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    positions = {n: p.grad for n, p in model.named_parameters() if "pos_embed" in n or "relative" in n}
    assert bool(positions) == (form["positions"] != "none")
    if form["positions"] == "relative" and form["pool"] == "token":
        del positions["blocks.1.attention.relative"]  # of the last layer only the class token is read, which has none
    assert all(known(Tensor, gradient).any() for gradient in positions.values())


@forms
def test_bf16_arithmetic(form: dict[str, str]) -> None:
    model = made(tiny(**form), resolution=16)
    images = torch.randn(2, 3, 16, 16)
    exact = model.features(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model.features(images)
    assert (rounded - exact).norm() < 0.1 * exact.norm()
    rounded.sum().backward()


@forms
def test_only_kernels_are_decayed(form: dict[str, str]) -> None:
    model = made(tiny(**form), resolution=16)
    decayed = {id(kernel) for kernel in kernels(model)}
    spared = ("pos_embed", "relative", "cls_token", "norm", "bias")
    for name, parameter in model.named_parameters():
        assert (id(parameter) in decayed) == (not any(part in name for part in spared)), name


@forms
def test_fine_tuning_at_another_size_starts_from_the_weights(form: dict[str, str]) -> None:
    source = made(tiny(**form, representation_size=7), resolution=16)
    target = known(VisionTransformer, build(tiny(**form), 3, resolution=24))
    load_pretrained(target, source.state_dict())
    assert torch.equal(target.norm.weight, source.norm.weight)
    assert torch.equal(target(torch.randn(2, 3, 24, 24)), torch.zeros(2, 3))
    back = known(VisionTransformer, build(tiny(**form), 3, resolution=16))
    load_pretrained(back, source.state_dict())
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(back.encode(back.embed(images)), source.encode(source.embed(images)))


@pytest.fixture
def compiler() -> Iterator[Callable[..., Any]]:
    """torch.compile without memory: after some models it tries to make one graph of all sizes, which takes minutes."""
    torch.compiler.reset()
    yield torch.compile
    torch.compiler.reset()


@pytest.mark.parametrize(
    "form",
    [
        {"positions": "relative"},
        {"positions": "relative", "pool": "gap"},
        {"positions_at": "every_layer_shared"},
        {"positions": "2d", "positions_at": "every_layer", "pool": "gap", "attention": "axial"},
    ],
    ids=lambda form: "-".join(form.values()),
)
def test_one_graph_for_the_compiler(form: dict[str, str], compiler: Callable[..., Any]) -> None:
    model = made(tiny(**form), resolution=16)
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(compiler(model, backend="eager", fullgraph=True)(images), model(images))


@forms
def test_the_order_of_patches_matters_by_positions_alone(form: dict[str, str]) -> None:
    images = torch.randn(1, 3, 12, 12)
    shuffled = permuted(images, [4, 0, 7, 2, 8, 1, 3, 6, 5])
    model = made(tiny(**form), resolution=12)
    same = torch.allclose(model(images), model(shuffled), atol=1e-5, rtol=1e-4)
    assert same == (form["positions"] == "none" and form["attention"] == "full")


def test_axial_attention_knows_which_patches_share_a_row() -> None:
    images = torch.randn(1, 3, 12, 12)
    model = made(tiny(positions="none", pool="gap", attention="axial"), resolution=12)
    rows = permuted(images, [6, 7, 8, 0, 1, 2, 3, 4, 5])  # whole rows change places
    columns = permuted(images, [1, 0, 2, 4, 3, 5, 7, 6, 8])
    for moved in (rows, columns):
        torch.testing.assert_close(model(moved), model(images), atol=1e-5, rtol=1e-4)


@forms
def test_dropout_after_the_stem_and_every_dense_layer_but_qkv(form: dict[str, str]) -> None:
    model = made(tiny(**form), resolution=16, dropout=0.5)
    calls: list[tuple[int, ...]] = []
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            assert part.p == 0.5
            part.register_forward_hook(lambda _part, inputs, _output: calls.append(tuple(inputs[0].shape)))
    model(torch.randn(2, 3, 16, 16))
    tokens = 17 if form["pool"] == "token" else 16
    stem, layer = (2, tokens, 12), [(2, tokens, 12), (2, tokens, 20), (2, tokens, 12)]
    if form["attention"] == "axial":  # a row block and a column block, over 2 x 4 lines of 4 patches
        layer = [(8, 4, 12), (8, 4, 20), (8, 4, 12)] * 2
    assert calls == [stem, *layer, *layer]


@forms
def test_no_positions_are_dropped_twice(form: dict[str, str]) -> None:
    """Dropout at the stem comes after the addition there, and none comes after a later one."""
    model = made(tiny(**form), resolution=16, dropout=0.5)
    inputs: list[Tensor] = []
    model.dropout.register_forward_pre_hook(lambda _part, given: inputs.append(given[0]))
    model.blocks[0].register_forward_pre_hook(lambda _block, given: inputs.append(given[0]))
    model.encode(model.embed(torch.randn(2, 3, 16, 16)))
    zeros = (inputs[1] == 0).float().mean().item()
    at_layers = form["positions_at"] != "stem"
    assert zeros == 0 if at_layers else 0.3 < zeros < 0.7


@pytest.mark.parametrize("attention", ["full", "axial"])
def test_gap_is_the_mean_of_all_patches_after_the_final_norm(attention: Literal["full", "axial"]) -> None:
    model = made(tiny(pool="gap", attention=attention), resolution=16)
    images = torch.randn(2, 3, 16, 16)
    tokens = model.encode(model.embed(images))
    assert tokens.shape == (2, 16, 12)
    torch.testing.assert_close(model.features(images), model.norm(tokens).sum(dim=1) / 16)

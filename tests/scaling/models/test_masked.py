"""What a corrupted patch gives away, and to whom."""

import pytest
import torch
from torch import Tensor

from scaling.models.masked import MASK, MaskedPatchPrediction
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import ViT

MODELS = {
    "token": ViT(4, 16, 2, 32, 2),
    "gap": ViT(4, 16, 2, 32, 2, pool="gap"),
    "every layer": ViT(4, 16, 2, 32, 2, positions="2d", positions_at="every_layer"),
    "relative": ViT(4, 16, 2, 32, 2, positions="relative"),
    "axial": ViT(4, 16, 1, 32, 2, pool="gap", attention="axial"),
}
SEVEN = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(7))  # 3 x 3 patches


def made(spec: ViT) -> MaskedPatchPrediction:
    """A model whose every weight matters."""
    torch.manual_seed(0)
    module = MaskedPatchPrediction(VisionTransformer(spec, 5, grid=3)).eval()
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return module


def corrupted(*pairs: tuple[int, int]) -> Tensor:
    """The same corruption of both images."""
    return torch.tensor([pairs, pairs])


def patch(x: Tensor, number: int) -> Tensor:
    row, column = divmod(number, 3)
    return x[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]


@pytest.mark.parametrize("kind", MODELS)
@torch.no_grad()
def test_a_masked_patch_is_not_seen_and_a_kept_one_is(kind: str) -> None:
    module = made(MODELS[kind])
    other = SEVEN.clone()
    patch(other, 4)[:] += 1.0
    hidden, kept = corrupted((4, MASK), (8, 8)), corrupted((4, 4), (8, 8))
    assert module(SEVEN, hidden).shape == (2, 2, 5)
    assert torch.equal(module(SEVEN, hidden), module(other, hidden))
    assert not torch.allclose(module(SEVEN, kept), module(other, kept))


@pytest.mark.parametrize("kind", MODELS)
@torch.no_grad()
def test_a_replaced_patch_is_the_other_one_in_its_place(kind: str) -> None:
    """As if the other's pixels were there, so its embedding goes without its position; sources are read uncorrupted."""
    module = made(MODELS[kind])
    copied = SEVEN.clone()
    patch(copied, 2)[:] = patch(SEVEN, 6)
    patch(copied, 6)[:] = patch(SEVEN, 5)
    torch.testing.assert_close(module(SEVEN, corrupted((2, 6), (6, 5))), module(copied, corrupted((2, 2), (6, 6))))


@pytest.mark.parametrize("kind", MODELS)
@torch.no_grad()
def test_predictions_are_those_of_the_named_patches(kind: str) -> None:
    module = made(MODELS[kind])
    tokens = module.encoder.norm(module.encoder.encode(module.encoder.embed(SEVEN)))[:, -9:]
    expected = module.encoder.head(tokens)[:, [7, 0, 3]]
    torch.testing.assert_close(module(SEVEN, corrupted((7, 7), (0, 0), (3, 3))), expected)


def test_every_parameter_learns() -> None:
    """None is left out, which data parallelism would not forgive, even in a batch without a masked patch."""
    module = made(MODELS["token"])
    module(SEVEN, corrupted((7, 7), (0, 3))).square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    module(SEVEN, corrupted((7, MASK), (0, 3))).square().sum().backward()
    assert module.mask_token.grad is not None
    assert module.mask_token.grad.abs().min() > 0


@torch.no_grad()
def test_bf16() -> None:
    module = made(MODELS["token"])
    exact = module(SEVEN, corrupted((4, MASK), (8, 2)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = module(SEVEN, corrupted((4, MASK), (8, 2)))
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.1)

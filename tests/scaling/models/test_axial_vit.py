import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling.models.build import build
from scaling.models.vit import AxialBlock, Block, VisionTransformer
from scaling.specs.architectures import ViT
from tests.helpers.kinds import known

GRID = 3
SPEC = ViT(patch_size=4, width=12, depth=2, mlp_dim=20, num_heads=3, pool="gap", attention="axial")


def made() -> VisionTransformer:
    return known(VisionTransformer, build(SPEC, 5, resolution=4 * GRID))


def full_block(block: Block, x: Tensor, seen: Tensor) -> Tensor:
    """The block over all tokens [B, N, D] at once; token i attends to j where `seen` [N, N]."""
    B, N, D = x.shape
    q, k, v = block.attention.qkv(block.norm1(x)).view(B, N, 3, 3, D // 3).permute(2, 0, 3, 1, 4)
    logits = (q @ k.mT / 2).masked_fill(~seen, float("-inf"))
    x = x + block.attention.out((logits.softmax(-1) @ v).transpose(1, 2).reshape(B, N, D))
    out: Tensor = x + block.fc2(F.gelu(block.fc1(block.norm2(x)), approximate="tanh"))
    return out


@pytest.mark.parametrize("layer", [0, 1])
def test_axial_attention_equals_a_masked_full_attention(layer: int) -> None:
    model = made()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    block = known(AxialBlock, model.blocks[layer])
    rows = torch.arange(GRID).repeat_interleave(GRID)  # of each token, in raster order
    columns = torch.arange(GRID).repeat(GRID)
    x = torch.randn(2, GRID * GRID, 12)
    expected = full_block(known(Block, block.row), x, rows[:, None] == rows)
    expected = full_block(known(Block, block.column), expected, columns[:, None] == columns)
    torch.testing.assert_close(block(x), expected, atol=1e-4, rtol=1e-4)


def test_one_layer_sees_the_whole_image() -> None:
    model = made()
    x = torch.randn(1, GRID * GRID, 12, requires_grad=True)
    model.blocks[0](x)[0, 0].sum().backward()
    assert x.grad is not None
    assert torch.all(x.grad.abs().sum(-1) > 0)

import pytest
import torch
from torch import nn

from scaling.models.layers import embed_patches


@pytest.mark.parametrize(("patch", "height", "width"), [(4, 12, 16), (4, 15, 13), (1, 3, 5)])
def test_equal_to_the_convolution_in_value_and_gradient(patch: int, height: int, width: int) -> None:
    layer = nn.Conv2d(3, 6, patch, stride=patch).double()
    x = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    ours, convolution = embed_patches(x, layer), layer(x).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, convolution)
    weight = torch.randn_like(ours)
    assert layer.bias is not None
    wrt = (x, layer.weight, layer.bias)
    torch.testing.assert_close(*(torch.autograd.grad((y * weight).sum(), wrt) for y in (ours, convolution)))

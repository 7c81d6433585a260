import pytest
import torch
import torch.nn.functional as F

from scaling.models.convolution import FEW_POSITIONS, convolve


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("side", [5, 13, 14])  # fewer and more positions than FEW_POSITIONS
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(1, 1, 0), (1, 2, 0), (1, 1, 1), (3, 1, 1), (3, 2, 0)])
def test_equal_to_a_convolution_in_value_and_gradient(dtype, side, kernel, stride, padding):
    assert 5 * 5 < FEW_POSITIONS < 13 * 13
    torch.manual_seed(0)
    x = torch.randn(2, 3, side, side, dtype=dtype, requires_grad=True)
    filters = torch.randn(4, 3, kernel, kernel, dtype=dtype, requires_grad=True)
    ours, torchs = convolve(x, filters, stride, padding), F.conv2d(x, filters, stride=stride, padding=padding)
    torch.testing.assert_close(ours, torchs)
    weight = torch.randn_like(ours)
    gradients = [torch.autograd.grad((y * weight).sum(), (x, filters)) for y in (ours, torchs)]
    tolerance = {"atol": 1e-10, "rtol": 0} if dtype == torch.float64 else {"atol": 0.3, "rtol": 0.02}
    torch.testing.assert_close(*gradients, **tolerance)


def test_under_autocast_products_are_of_bfloat16():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert convolve(torch.randn(2, 3, 16, 16), torch.randn(4, 3, 1, 1)).dtype == torch.bfloat16
        assert convolve(torch.randn(2, 3, 4, 4), torch.randn(4, 3, 1, 1)).dtype == torch.bfloat16

import pytest
import torch
import torch.nn.functional as F

from scaling.models.layers import FEW_POSITIONS, convolve, max_pool


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.bfloat16, 0.01)])
@pytest.mark.parametrize("side", [5, 15, 17])  # fewer and more positions than FEW_POSITIONS
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(1, 1, 0), (1, 2, 0), (1, 1, 1), (3, 1, 1), (3, 2, 0)])
def test_equal_to_a_convolution_in_value_and_gradient(
    dtype: torch.dtype, error: float, side: int, kernel: int, stride: int, padding: int
) -> None:
    assert 15 * 15 < FEW_POSITIONS < 17 * 17
    torch.manual_seed(0)
    x = torch.randn(2, 3, side, side, dtype=dtype, requires_grad=True)
    filters = torch.randn(4, 3, kernel, kernel, dtype=dtype, requires_grad=True)
    exact = x.detach().double().requires_grad_(), filters.detach().double().requires_grad_()
    ours, expected = convolve(x, filters, stride, padding), F.conv2d(*exact, stride=stride, padding=padding)
    assert ours.dtype == dtype
    weight = torch.randn_like(ours)
    gradients = torch.autograd.grad((ours * weight).sum(), (x, filters))
    expected_gradients = torch.autograd.grad((expected * weight).sum(), exact)
    for value, target in zip((ours, *gradients), (expected, *expected_gradients), strict=True):
        assert value.shape == target.shape
        assert (value - target).norm() < error * target.norm()


def test_filters_of_float32_meet_autocast_feature_maps() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert convolve(torch.randn(2, 3, 5, 5).bfloat16(), torch.randn(4, 3, 1, 1)).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(2, 3), (7, 8), (13, 6)])
@pytest.mark.parametrize(("padding", "ceil"), [((0, 0), True), ((1, 0), True), ((1, 1), False)])
def test_equal_to_torchs_pool_in_value_and_gradient(
    dtype: torch.dtype, size: tuple[int, int], padding: tuple[int, int], ceil: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, *size).to(dtype).requires_grad_()  # bfloat16 has ties: the first of them has the gradient
    ours, expected = max_pool(x, padding, ceil=ceil), F.max_pool2d(x, 3, 2, padding, ceil_mode=ceil)
    assert ours.dtype == dtype
    assert torch.equal(ours, expected)
    weight = torch.randint(-8, 8, ours.shape).to(dtype)  # whose sums are exact
    gradient, target = (torch.autograd.grad((pooled * weight).sum(), x)[0] for pooled in (ours, expected))
    assert torch.equal(gradient, target)

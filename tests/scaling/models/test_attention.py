import math

import pytest
import torch

from scaling.models.layers import attend


def test_attention_equals_the_formula() -> None:
    q, k, v = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 7, 4), torch.randn(2, 3, 7, 6)
    bias = torch.randn(2, 3, 5, 7)
    logits = q @ k.mT / math.sqrt(4)
    torch.testing.assert_close(attend(q, k, v), logits.softmax(-1) @ v)
    torch.testing.assert_close(attend(q, k, v, bias), (logits + bias).softmax(-1) @ v)


@pytest.mark.parametrize("biased", [False, True])
def test_bfloat16_on_a_cpu_is_as_near_as_the_fused_kernel(biased: bool) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 9, 5), torch.randn(2, 3, 7, 5), torch.randn(2, 3, 7, 6)
    bias = torch.randn(2, 3, 9, 7) if biased else None
    halves = q.bfloat16(), k.bfloat16(), v.bfloat16(), None if bias is None else bias.bfloat16()
    ours, exact = attend(*halves), attend(q, k, v, bias)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), exact, atol=0.05, rtol=0.05)

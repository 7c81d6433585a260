import math

import torch

from scaling.models.attention import attend


def test_attention_equals_the_formula():
    q, k, v = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 7, 4), torch.randn(2, 3, 7, 6)
    bias = torch.randn(2, 3, 5, 7)
    logits = q @ k.mT / math.sqrt(4)
    torch.testing.assert_close(attend(q, k, v), logits.softmax(-1) @ v)
    torch.testing.assert_close(attend(q, k, v, bias), (logits + bias).softmax(-1) @ v)

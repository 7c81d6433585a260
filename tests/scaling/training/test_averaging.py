"""The running average of the weights, against a loop in float64."""

import numpy as np
import pytest
import torch

from scaling.training.optim import running_average


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.9999])
def test_against_a_float64_loop_from_the_initial_weights(decay: float) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.LayerNorm(4))
    expected = [p.detach().double().numpy().copy() for p in module.parameters()]
    average = running_average(module, decay)
    for _ in range(300):
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.1 * torch.randn_like(p))
        average.update_parameters(module)
        now = [p.detach().double().numpy() for p in module.parameters()]
        expected = [decay * a + (1 - decay) * w for a, w in zip(expected, now, strict=True)]
    for found, wanted in zip(average.module.parameters(), expected, strict=True):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=2e-5, atol=2e-6)
    assert average.module.state_dict().keys() == module.state_dict().keys()

"""Numbers that are none are named: the weights that hold them, the layer that makes them."""

import pytest
import torch

from scaling.models.finite import NonFiniteError, check_finite_weights, non_finite_origin, non_finite_weights
from tests.helpers.specs import TINY
from tests.helpers.weights import random_model


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(value: float) -> None:
    module = random_model(TINY, resolution=16)
    check_finite_weights(module.state_dict(), "x")
    check_finite_weights(module.to("meta").state_dict(), "x")
    module = random_model(TINY, resolution=16)
    with torch.no_grad():
        module.get_parameter("blocks.0.norm2.weight")[3] = value
    with pytest.raises(
        NonFiniteError, match=r"^x cannot be used: 1 of the \d+ values of blocks\.0\.norm2\.weight are NaN"
    ):
        check_finite_weights(module.state_dict(), "x")
    assert "blocks.0.norm2.weight" in non_finite_origin(module, torch.zeros(1, 3, 16, 16))


def test_whole_numbers_are_finite() -> None:
    assert non_finite_weights({"count": torch.ones(3, dtype=torch.int64), "half": torch.ones(3).half()}) is None


def test_the_layer_that_overflows_is_named() -> None:
    module = random_model(TINY, resolution=16).eval()
    with torch.no_grad():
        module.get_parameter("blocks.0.fc2.weight").fill_(3e38)
    x = torch.rand(1, 3, 16, 16)
    assert not torch.isfinite(module(x)).all()
    assert non_finite_origin(module, x) == "layer blocks.0.fc2 overflows"

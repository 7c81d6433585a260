from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from scaling.models.layers import Dense


def test_the_compilers_form_is_the_same_layer_with_the_same_gradients() -> None:
    layer, x = Dense(5, 7), torch.randn(2, 3, 5)
    assert isinstance(layer, nn.Linear)  # so that its kernel decays
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for autocast, tolerance in ((False, 1e-6), (True, 2e-2)):
        gradients = []
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            forms = [compiled(x), F.linear(x, layer.weight, layer.bias)]
        for form in forms:
            assert form.dtype == (torch.bfloat16 if autocast else torch.float32)
            gradients.append(torch.autograd.grad(form.float().square().sum(), list(layer.parameters())))
        torch.testing.assert_close(*forms, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(*gradients, rtol=tolerance, atol=10 * tolerance)


def test_compiled_the_bias_is_no_part_of_the_product() -> None:
    traced: list[Any] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        traced.extend(node.target for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    torch.compile(Dense(5, 7), backend=backend)(torch.randn(3, 5))
    assert len(traced) > 1


def test_compiled_double_precision_stays_what_it_is() -> None:
    layer, x = Dense(5, 7).double(), torch.randn(3, 5, dtype=torch.float64)
    compiled = torch.compile(layer, backend="eager")(x)
    torch.testing.assert_close(compiled, F.linear(x, layer.weight, layer.bias), rtol=1e-14, atol=1e-14)

from typing import Any

import torch
import torch.nn.functional as F
from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
from torch import nn
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.decomposition import select_decomp_table

from scaling.models.layers import gelu


class Gelu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return gelu(x)


def test_the_compilers_form_is_the_same_function_with_the_same_gradient() -> None:
    x = torch.linspace(-30, 30, 601, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(gelu, backend="eager", fullgraph=True)
    forms = [gelu(x), compiled(x), F.gelu(x, approximate="tanh")]
    gradients = [torch.autograd.grad(form.sum(), x)[0] for form in forms]
    for form, gradient in zip(forms, gradients, strict=True):
        torch.testing.assert_close(form, forms[-1])
        torch.testing.assert_close(gradient, gradients[-1])
    assert not torch.equal(forms[1], forms[2])  # it is another form


def test_compiled_for_a_cpu_the_exponential_is_taken_once() -> None:
    """Forward, and not again for the gradient."""
    graphs: list[list[Any]] = []

    def keep(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        graphs.append([node.target for node in graph.graph.nodes])
        return make_boxed_func(graph.forward)

    backend = aot_autograd(
        fw_compiler=keep,
        bw_compiler=keep,
        partition_fn=min_cut_rematerialization_partition,
        decompositions=select_decomp_table(),
    )
    layers = nn.Sequential(nn.Linear(8, 32), Gelu(), nn.Linear(32, 8), nn.LayerNorm(8)).bfloat16()
    torch.compile(layers, backend=backend, fullgraph=True)(torch.randn(64, 8, dtype=torch.bfloat16)).sum().backward()
    forward, backward = graphs
    assert torch.ops.aten.sigmoid.default in forward
    assert not {torch.ops.aten.sigmoid.default, torch.ops.aten.exp.default} & set(backward)

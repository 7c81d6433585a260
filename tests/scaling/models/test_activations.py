import torch
import torch.nn.functional as F

from scaling.models.activations import gelu


def test_the_compilers_form_is_the_same_function_with_the_same_gradient():
    x = torch.linspace(-30, 30, 601, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(gelu, backend="eager", fullgraph=True)
    forms = [gelu(x), compiled(x), F.gelu(x, approximate="tanh")]
    gradients = [torch.autograd.grad(form.sum(), x)[0] for form in forms]
    for form, gradient in zip(forms, gradients, strict=True):
        torch.testing.assert_close(form, forms[-1])
        torch.testing.assert_close(gradient, gradients[-1])
    assert not torch.equal(forms[1], forms[2])  # it is another form

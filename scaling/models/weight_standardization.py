"""Weight standardization once for several forward passes: the microbatches of a step, the batches of an evaluation."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from scaling.models.resnet import StdConv


@contextlib.contextmanager
def standardized(module: nn.Module) -> Iterator[None]:
    """Standardize every filter of `module` once, at the beginning.

    Backward passes inside add up the gradients of the standardized filters; at the end these go back through the
    standardization into the weights, once: it is linear in them. Weights must not change inside.
    """
    convs = [layer for layer in module.modules() if isinstance(layer, StdConv)]
    filters = [conv.filters() for conv in convs]
    leaves = [made.detach().requires_grad_(made.requires_grad) for made in filters]
    for conv, leaf in zip(convs, leaves, strict=True):
        conv.kept = leaf
    try:
        yield
        reached = [(made, leaf.grad) for made, leaf in zip(filters, leaves, strict=True) if leaf.grad is not None]
        torch.autograd.backward([made for made, _ in reached], [grad for _, grad in reached])
    finally:
        for conv in convs:
            conv.kept = None

"""What the tests of closed forms share: counting the built module, and ResNets of every form."""

import torch
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from scaling.flops.counts import forward_macs, parameters
from scaling.models.build import build
from scaling.specs.architectures import ResNet
from scaling.specs.models import Architecture

SIZES = {
    "depths": st.lists(st.integers(1, 2), min_size=1, max_size=3).map(tuple),
    "width": st.sampled_from([4, 8]),
    "stem": st.sampled_from(["imagenet", "small"]),
    "groups": st.sampled_from([2, 4]),
}
CONVOLUTIONAL = st.builds(ResNet, activation=st.sampled_from(["post", "pre"]), **SIZES)
AXIAL = st.builds(ResNet, spatial=st.just("axial"), num_heads=st.sampled_from([1, 2]), **SIZES)
RESNETS = CONVOLUTIONAL | AXIAL


def counted(spec: Architecture, resolution: int, num_classes: int) -> tuple[int, int]:
    """Parameters and MACs of the built module, by torch's own counter."""
    with torch.device("meta"):
        module = build(spec, num_classes, resolution=resolution)
        image = torch.empty(1, 3, resolution, resolution)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert module(image).shape == (1, num_classes)
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2


def check_closed_forms(spec: Architecture, resolution: int, num_classes: int) -> None:
    closed = (
        parameters(spec, num_classes=num_classes, resolution=resolution),
        forward_macs(spec, resolution, num_classes),
    )
    assert closed == counted(spec, resolution, num_classes)

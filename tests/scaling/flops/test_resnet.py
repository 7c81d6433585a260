import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.flops.counts import forward_macs, parameters
from scaling.flops.resnet import AxialLayer, Convolution, feature_side
from scaling.models import resnet
from scaling.models.build import build
from scaling.models.resnet import BiTResNet, StdConv, pad_same
from scaling.specs.architectures import ResNet
from scaling.specs.zoo import zoo_model
from tests.helpers.costs import RESNETS, check_closed_forms
from tests.helpers.kinds import known

# Millions of parameters of the released checkpoints that are fine-tuned on ImageNet, as timm lists them.
RELEASED = [
    ("BiT-R50x1", 25.55),
    ("BiT-R101x1", 44.54),
    ("BiT-R50x3", 217.32),
    ("BiT-R101x3", 387.93),
    ("BiT-R152x2", 236.34),
    ("BiT-R152x4", 936.53),
]


@settings(deadline=None, max_examples=25)
@given(RESNETS, st.integers(5, 60), st.integers(1, 5))
def test_closed_forms_equal_the_built_module(spec: ResNet, resolution: int, num_classes: int) -> None:
    check_closed_forms(spec, resolution, num_classes)


@settings(deadline=None, max_examples=20)
@given(RESNETS, st.integers(5, 40))
def test_the_conventions_differ_by_the_taps_in_the_padding(spec: ResNet, resolution: int) -> None:
    """Convolutions of ones, by kernels of ones, give at every output the number of taps inside the image."""
    padded: list[float] = []

    def count(conv: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        assert isinstance(conv, StdConv)
        taps = F.conv2d(torch.ones_like(output[:, :1]), conv.weight.new_ones(1, 1, 1, 1)).sum()
        padded.append(taps.item() * conv.weight.numel() - output.sum().item())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "standardize", lambda weight, eps: torch.ones_like(weight))
        module = build(spec, 2, resolution=resolution)
        for conv in [part for part in module.modules() if isinstance(part, StdConv)]:
            conv.register_forward_pre_hook(lambda conv, inputs: torch.ones_like(inputs[0]))
            conv.register_forward_hook(count)
        with torch.no_grad():
            module(torch.ones(1, 3, resolution, resolution))
    every, valid = (forward_macs(spec, resolution, 2, valid=valid) for valid in (False, True))
    assert every - valid == sum(padded)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_valid_taps_equal_a_convolution_of_ones(size: int, kernel: int, stride: int) -> None:
    image, ones = torch.ones(1, 1, size, size), torch.ones(1, 1, kernel, kernel)
    same = F.conv2d(pad_same(image, kernel, stride), ones, stride=stride).sum()
    fixed = F.conv2d(image, ones, stride=stride, padding=kernel // 2).sum()
    assert Convolution(size, kernel, stride, 2, 3).macs(valid=True) == same * 2 * 3 == fixed * 2 * 3


@pytest.mark.parametrize(("name", "millions"), RELEASED)
def test_released_checkpoints_have_as_many_parameters(name: str, millions: float) -> None:
    assert parameters(zoo_model(name), num_classes=1000) / 1e6 == pytest.approx(millions, abs=0.005)


def test_axial_attention_by_hand() -> None:
    """One line of 2 positions, 4 channels, 2 heads: 2 lines, 2 axes."""
    layer = AxialLayer(side=2, width=4, num_heads=2)
    assert layer.macs(valid=True) == layer.macs(valid=False) == 2 * 2 * (2 * 4 * 8 + 4 * (3 * 2 + 2 * 4))
    assert layer.parameters == 2 * (4 * 8 + 4 * 3 + 16 + 8)


@pytest.mark.parametrize("resolution", [5, 31, 32, 33])
def test_feature_side(resolution: int) -> None:
    spec = ResNet((1, 1), width=8, groups=4, activation="pre")
    model = known(BiTResNet, build(spec, 2, resolution=resolution))
    features = model.backbone(torch.zeros(1, 3, resolution, resolution))
    assert features.shape[-1] == feature_side(spec, resolution)

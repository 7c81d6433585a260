import pytest
import torch

from scaling.models.build import build
from scaling.models.resnet import Backbone
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import Hybrid, ResNet, ViT
from tests.helpers.kinds import known

BACKBONE = ResNet((1, 1), width=8, groups=4)
SPEC = Hybrid(BACKBONE, ViT(patch_size=1, width=12, depth=1, mlp_dim=20, num_heads=3, representation_size=6))


@pytest.mark.parametrize(("resolution", "side"), [(16, 2), (32, 4), (33, 5)])
def test_tokens_are_the_positions_of_the_feature_map(resolution: int, side: int) -> None:
    model = known(VisionTransformer, build(SPEC, 5, resolution=resolution, head_bias=-10.0))
    images = torch.randn(2, 3, resolution, resolution)
    assert known(torch.Tensor, model.pos_embed).shape == (1, 1 + side * side, 12)
    assert model.features(images).shape == (2, 6)
    assert torch.equal(model(images), torch.full((2, 5), -10.0))


def test_patches_of_several_positions() -> None:
    spec = Hybrid(BACKBONE, ViT(patch_size=2, width=12, depth=1, mlp_dim=20, num_heads=3))
    model = known(VisionTransformer, build(spec, 5, resolution=32))
    assert known(torch.Tensor, model.pos_embed).shape == (1, 1 + 4, 12)
    assert model(torch.randn(1, 3, 32, 32)).shape == (1, 5)


def test_backbone_trains_with_the_encoder() -> None:
    model = build(SPEC, 5, resolution=16)
    torch.nn.init.normal_(model.head.weight)
    model(torch.randn(2, 3, 16, 16)).sum().backward()
    assert isinstance(model.stem, Backbone)
    assert known(torch.Tensor, model.stem.conv_root.weight.grad).abs().sum() > 0

"""From a spec to a torch module with `forward(x)` (logits [B, K]) and `features(x)` (representation [B, D]).

Images x are float [B, 3, H, W]. In our models the classifier is called `head`, the hidden layer of the pre-training
head `pre_logits`, the tables of positions `pos_embed` (two-dimensional ones `pos_embed.x`, `.y` and `.cls`; relative
keys are each layer's `attention.relative`) and the class token `cls_token`. Fresh weights are drawn from torch's global
generator, with the distributions of the official code (which are flax's).
"""

from typing import overload

import torch

from scaling.models.custom import CustomModel, custom_model, custom_outline
from scaling.models.resnet import Backbone, BiTResNet
from scaling.models.vit import VisionTransformer
from scaling.specs import Architecture, Custom, Hybrid, ResNet, ViT

Model = VisionTransformer | BiTResNet | CustomModel


@overload
def build(
    model: ViT | ResNet | Hybrid, num_classes: int, *, resolution: int, dropout: float = 0.0, head_bias: float = 0.0
) -> VisionTransformer | BiTResNet: ...


@overload
def build(
    model: Architecture, num_classes: int, *, resolution: int, dropout: float = 0.0, head_bias: float = 0.0
) -> Model: ...


def build(
    model: Architecture, num_classes: int, *, resolution: int, dropout: float = 0.0, head_bias: float = 0.0
) -> Model:
    """The module of a spec for square images of `resolution` pixels a side, with fresh weights.

    The classifier's weights are zero and its bias is `head_bias`. `dropout` is the Transformer's (§B.1); ResNets have
    none. A `Custom` model comes as its function makes it: neither is given to it. Raises ValueError when the image is
    smaller than one patch, or a `Custom` model cannot be made.
    """
    match model:
        case ViT():
            grid = resolution // model.patch_size
            return VisionTransformer(model, num_classes, grid=grid, dropout=dropout, head_bias=head_bias)
        case Hybrid():
            return _hybrid(model, num_classes, resolution, dropout, head_bias)
        case ResNet():
            return BiTResNet(model, num_classes, resolution=resolution, head_bias=head_bias)
        case Custom():
            return custom_model(model, num_classes, resolution)


def _hybrid(spec: Hybrid, num_classes: int, resolution: int, dropout: float, head_bias: float) -> VisionTransformer:
    """The encoder over patches of the backbone's last feature map (§3.1, 'Hybrid Architecture')."""
    side = -(-resolution // spec.backbone.stride)  # positions of the feature map: SAME rounds up at every stride
    return VisionTransformer(
        spec.encoder,
        num_classes,
        grid=side // spec.encoder.patch_size,
        stem=Backbone(spec.backbone, resolution=resolution),
        in_channels=spec.backbone.out_channels,
        dropout=dropout,
        head_bias=head_bias,
    )


def outline(model: Architecture, num_classes: int, *, resolution: int) -> Model:
    """The module with names and shapes alone: on torch's meta device, whatever its size."""
    if isinstance(model, Custom):
        return custom_outline(model, num_classes, resolution)
    with torch.device("meta"):
        return build(model, num_classes, resolution=resolution)

"""From a spec to a torch module with `forward(x)` (logits [B, K]) and `features(x)` (representation [B, D]).

Images x are float [B, 3, H, W]. In every model the classifier is called `head`, the hidden layer of the pre-training
head `pre_logits`, the tables of positions `pos_embed` (two-dimensional ones `pos_embed.x`, `.y` and `.cls`; relative
keys are each layer's `attention.relative`) and the class token `cls_token`. Fresh weights are drawn from torch's global
generator, with the distributions of the official code (which are flax's).
"""

import torch

from scaling.models.hybrid import hybrid
from scaling.models.resnet import BiTResNet
from scaling.models.vit import VisionTransformer
from scaling.specs import Architecture, Hybrid, ResNet, ViT


def build(
    model: Architecture, num_classes: int, *, resolution: int, dropout: float = 0.0, head_bias: float = 0.0
) -> VisionTransformer | BiTResNet:
    """The module of a spec for square images of `resolution` pixels a side, with fresh weights.

    The classifier's weights are zero and its bias is `head_bias`. `dropout` is the Transformer's (§B.1); ResNets have
    none. Raises ValueError when the image is smaller than one patch.
    """
    match model:
        case ViT():
            grid = resolution // model.patch_size
            return VisionTransformer(model, num_classes, grid=grid, dropout=dropout, head_bias=head_bias)
        case Hybrid():
            return hybrid(model, num_classes, resolution=resolution, dropout=dropout, head_bias=head_bias)
        case ResNet():
            return BiTResNet(model, num_classes, resolution=resolution, head_bias=head_bias)


def outline(model: Architecture, num_classes: int, *, resolution: int) -> VisionTransformer | BiTResNet:
    """The module with names and shapes alone: on torch's meta device, whatever its size."""
    with torch.device("meta"):
        return build(model, num_classes, resolution=resolution)

"""Hybrid (§3.1, 'Hybrid Architecture'): a Vision Transformer over patches of a ResNet's last feature map."""

from scaling.models.resnet import Backbone
from scaling.models.vit import VisionTransformer
from scaling.specs import Hybrid


def hybrid(
    spec: Hybrid, num_classes: int, *, resolution: int, dropout: float = 0.0, head_bias: float = 0.0
) -> VisionTransformer:
    """The encoder with the backbone as its stem, for square images of `resolution` pixels a side."""
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

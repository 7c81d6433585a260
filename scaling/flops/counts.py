"""Closed forms for parameters, multiply-accumulates (MACs) and training FLOPs of a spec, without building the model.
A `Custom` model has no closed form: it carries its counts.

Conventions: 1 MAC = 2 FLOPs; norms, activations, softmax and pooling count as nothing; the backward pass costs twice
the forward pass. A padded convolution is counted in one of two ways: all its taps (as profilers do), or, with
`valid=True`, only the taps inside the image, which is the convention that reproduces the paper's Table 6.
"""

from functools import lru_cache

from scaling.flops.resnet import feature_side, resnet_macs, resnet_parameters
from scaling.flops.vit import vit_macs, vit_parameters
from scaling.specs import (
    Architecture,
    Custom,
    Dataset,
    Hybrid,
    MaskedPatches,
    Pretrain,
    ResNet,
    Transfer,
    ViT,
    without_representation,
)


def _head(model: ViT | ResNet | Hybrid) -> tuple[int, int | None, int]:
    """The widths of the head: of the features, of the hidden layer (or None), and of the classifier's input."""
    match model:
        case ResNet():
            return model.out_channels, None, model.out_channels
        case ViT():
            return model.width, model.representation_size, model.representation_size or model.width
        case Hybrid():
            return _head(model.encoder)


def parameters(model: Architecture, *, num_classes: int | None = None, resolution: int = 224) -> int:
    """Number of parameters at `resolution` pixels a side, on which the size of the position table depends.

    Without `num_classes` the classifier is left out, but not the hidden layer of the pre-training head: that is the
    convention of the paper's Table 1.
    """
    if isinstance(model, Custom):
        count = model.count(resolution, num_classes)
        return count.parameters - (count.classifier if num_classes is None else 0)
    match model:
        case ResNet():
            body = resnet_parameters(model, resolution)
        case ViT():
            body = vit_parameters(model, 3, resolution)
        case Hybrid(backbone=backbone, encoder=encoder):
            side = feature_side(backbone, resolution)
            body = resnet_parameters(backbone, resolution) + vit_parameters(encoder, backbone.out_channels, side)
    features, hidden, last = _head(model)
    body += features * hidden + hidden if hidden else 0
    return body + (last * num_classes + num_classes if num_classes is not None else 0)


@lru_cache(maxsize=4096)  # a plan asks for the same few models many times
def forward_macs(model: Architecture, resolution: int, num_classes: int, *, valid: bool = False) -> int:
    """MACs of the forward pass of one image of `resolution` pixels a side, head included.

    `valid` leaves out the taps of convolutions that fall into the padding. Attention counts as its two matrix products,
    those of the queries with the keys and of the weights with the values.
    """
    if isinstance(model, Custom):
        count = model.count(resolution, num_classes)
        return count.macs_valid if valid else count.macs
    match model:
        case ResNet():
            body = resnet_macs(model, resolution, valid=valid)
        case ViT():
            body = vit_macs(model, 3, resolution)
        case Hybrid(backbone=backbone, encoder=encoder):
            side = feature_side(backbone, resolution)
            body = resnet_macs(backbone, resolution, valid=valid)
            body += vit_macs(encoder, backbone.out_channels, side)
    features, hidden, last = _head(model)
    return body + features * (hidden or 0) + last * num_classes


def masked_macs(model: ViT, masked: MaskedPatches, resolution: int) -> int:
    """MACs of the forward pass of masked patch prediction: of the encoder, and of predicting the corrupted patches."""
    count = masked.count((resolution // model.patch_size) ** 2)
    # Without a classifier: the prediction layer takes its place, and reads the corrupted patches alone.
    return forward_macs(model, resolution, 0) + count * model.width * masked.outputs(model.patch_size)


def train_flops(model: Architecture, resolution: int, num_classes: int, images: float, *, valid: bool = False) -> float:
    """FLOPs of training on `images` images, counted again in every epoch: 3 x 2 x MACs x images.

    3 because the backward pass costs two forward passes, 2 because a MAC is two FLOPs. With `valid=True`, 224 pixels,
    18,291 classes and 303 million images per epoch this reproduces the exaFLOPs of the paper's Table 6 (§4.4).
    """
    return 3 * 2 * forward_macs(model, resolution, num_classes, valid=valid) * images


def pretrain_flops(run: Pretrain, *, valid: bool) -> float:
    """Training FLOPs of a whole pre-training run. Raises ValueError when its data set's classes are not counted yet."""
    images = run.steps * run.recipe.batch_size
    if run.masked:
        assert isinstance(run.model, ViT)
        return 3 * 2 * masked_macs(run.model, run.masked, run.resolution) * images
    return train_flops(run.model, run.resolution, _classes(run.data), images, valid=valid)


def transfer_flops(transfer: Transfer, *, valid: bool) -> float:
    """Training FLOPs of one fine-tuning, whose head is one linear layer (§B.1.1)."""
    model = without_representation(transfer.upstream.model)
    images = transfer.steps * transfer.recipe.batch_size
    return train_flops(model, transfer.resolution, _classes(transfer.task.data), images, valid=valid)


def _classes(data: Dataset) -> int:
    if data.num_classes is None:
        raise ValueError(f"data set {data.name} must say its number of classes, and does not: give num_classes")
    return data.num_classes

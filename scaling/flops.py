"""Closed forms for parameters, multiply-accumulates (MACs) and training FLOPs of a spec, without building the model.

Conventions: 1 MAC = 2 FLOPs; norms, activations, softmax and pooling count nothing; the backward pass costs twice the
forward pass. A padded convolution is counted in one of two ways: all its taps (as profilers do), or, with
`valid=True`, only the taps that fall inside the image, which is what reproduces the paper's Table 6.
"""

from scaling.flops_resnet import feature_side, resnet_macs, resnet_parameters
from scaling.specs import Architecture, Dataset, Hybrid, Pretrain, ResNet, Transfer, ViT, without_representation


def _vit_parameters(model: ViT, in_channels: int, side: int) -> int:
    D, M = model.width, model.mlp_dim
    patch = in_channels * model.patch_size**2 * D + D
    tokens = D + (1 + (side // model.patch_size) ** 2) * D  # class token and positions
    block = (4 * D * D + 4 * D) + (2 * D * M + M + D) + 4 * D  # attention, MLP, two LayerNorms
    return patch + tokens + model.depth * block + 2 * D


def _vit_macs(model: ViT, in_channels: int, side: int) -> int:
    D, M = model.width, model.mlp_dim
    patches = (side // model.patch_size) ** 2
    N = 1 + patches
    block = N * (4 * D * D + 2 * D * M) + 2 * N * N * D  # dense layers, q k^T and a v
    return patches * in_channels * model.patch_size**2 * D + model.depth * block


def _head(model: Architecture) -> tuple[int, int | None, int]:
    """Widths of the head's layers: (features, hidden layer or None, input of the classifier)."""
    match model:
        case ResNet():
            return model.out_channels, None, model.out_channels
        case ViT():
            return model.width, model.representation_size, model.representation_size or model.width
        case Hybrid():
            return _head(model.encoder)


def parameters(model: Architecture, *, num_classes: int | None = None, resolution: int = 224) -> int:
    """Number of parameters; the position table's depends on `resolution` (pixels a side).

    Without `num_classes` the classifier is left out but not the hidden layer of the pre-training head: the convention
    of the paper's Table 1.
    """
    match model:
        case ResNet():
            body = resnet_parameters(model, resolution)
        case ViT():
            body = _vit_parameters(model, 3, resolution)
        case Hybrid(backbone=backbone, encoder=encoder):
            side = feature_side(backbone, resolution)
            body = resnet_parameters(backbone, resolution) + _vit_parameters(encoder, backbone.out_channels, side)
    features, hidden, last = _head(model)
    body += features * hidden + hidden if hidden else 0
    return body + (last * num_classes + num_classes if num_classes is not None else 0)


def forward_macs(model: Architecture, resolution: int, num_classes: int, *, valid: bool = False) -> int:
    """MACs of the forward pass of one image of `resolution` pixels a side, head included.

    `valid` leaves out the taps of convolutions that fall into the padding. Attention counts as its two matrix products.
    """
    match model:
        case ResNet():
            body = resnet_macs(model, resolution, valid=valid)
        case ViT():
            body = _vit_macs(model, 3, resolution)
        case Hybrid(backbone=backbone, encoder=encoder):
            side = feature_side(backbone, resolution)
            body = resnet_macs(backbone, resolution, valid=valid)
            body += _vit_macs(encoder, backbone.out_channels, side)
    features, hidden, last = _head(model)
    return body + features * (hidden or 0) + last * num_classes


def train_flops(model: Architecture, resolution: int, num_classes: int, images: float, *, valid: bool = False) -> float:
    """FLOPs of training on `images` images (every epoch counts): 3 x 2 x MACs x images.

    Three passes' worth (forward, and backward twice that) of 2 FLOPs a MAC. With `valid=True`, 224 pixels, 18,291
    classes and 303 million images an epoch this reproduces the exaFLOPs of the paper's Table 6 (§4.4).
    """
    return 3 * 2 * forward_macs(model, resolution, num_classes, valid=valid) * images


def pretrain_flops(run: Pretrain, *, valid: bool) -> float:
    """Training FLOPs of a whole pre-training run. Raises ValueError when its data set's counts are not known."""
    classes = _classes(run.data)
    return train_flops(run.model, run.resolution, classes, run.steps * run.recipe.batch_size, valid=valid)


def transfer_flops(transfer: Transfer, *, valid: bool) -> float:
    """Training FLOPs of one fine-tuning, whose head is one linear layer (§B.1.1)."""
    task, model = transfer.task, without_representation(transfer.upstream.model)
    images = task.steps * task.recipe.batch_size
    return train_flops(model, transfer.resolution, _classes(task.data), images, valid=valid)


def _classes(data: Dataset) -> int:
    if data.num_classes is None:
        raise ValueError(f"the number of classes of data set {data.name} is not known")
    return data.num_classes

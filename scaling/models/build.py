"""From a spec to a torch module with `forward(x)` (logits [B, K]) and `features(x)` (representation [B, D]).

Images x are float [B, 3, H, W]. In every model the classifier is called `head`, the hidden layer of the pre-training
head `pre_logits`, the tables of positions `pos_embed` (two-dimensional ones `pos_embed.x`, `.y` and `.cls`; relative
keys are each layer's `attention.relative`) and the class token `cls_token`. Fresh weights are drawn from torch's global
generator, with the distributions of the official code (which are flax's).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from scaling.models.hybrid import hybrid
from scaling.models.positions import fit_positions, resize_positions
from scaling.models.resnet import BiTResNet
from scaling.models.vit import VisionTransformer
from scaling.specs import Architecture, Hybrid, ResNet, ViT

__all__ = ["BiTResNet", "VisionTransformer", "build", "load_pretrained", "resize_positions"]


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


def load_pretrained(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load pre-trained weights into a module with another classifier; positions of every form are resized to its grid.

    The module's classifier stays as it is, and the hidden layer of the pre-training head is left out when the module
    has none (§B.1.1). Raises ValueError, and changes nothing, when a parameter is missing, left over or of another
    shape.
    """
    own = {name: value for name, value in module.state_dict().items() if not name.startswith("head.")}
    hidden = any(name.startswith("pre_logits.") for name in own)
    dropped = ("head.",) if hidden else ("head.", "pre_logits.")
    given = {name: value for name, value in state.items() if not name.startswith(dropped)}
    given = fit_positions(given, own)
    shapes = [
        f"{name} {list(given[name].shape)} instead of {list(own[name].shape)}"
        for name in own.keys() & given.keys()
        if given[name].shape != own[name].shape
    ]
    mismatches = {"missing": own.keys() - given.keys(), "left over": given.keys() - own.keys(), "wrong shape": shapes}
    problems = [f"{kind}: {', '.join(sorted(names))}" for kind, names in mismatches.items() if names]
    if problems:
        raise ValueError(f"pre-trained weights do not fit the model: {'; '.join(problems)}")
    with torch.no_grad():
        for name, value in own.items():  # all of them: the mismatches above left nothing out
            value.copy_(given[name])

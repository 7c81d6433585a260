"""What our models are compared with: timm's of the same architecture, or plain ones where timm is not installed."""

import importlib.util
import sys
from functools import partial
from types import ModuleType
from unittest.mock import MagicMock

from torch import nn

from benchmarks import plain
from scaling.specs import Architecture, ResNet

TORCHVISION = ("", ".ops", ".ops.misc", ".transforms", ".transforms.functional", ".datasets", ".utils")
TIMM = {  # name in the zoo: timm's name
    "ViT-Ti/16": "vit_tiny_patch16_224",
    "ViT-S/16": "vit_small_patch16_224",
    "ViT-S/32": "vit_small_patch32_224",
    "ViT-B/16": "vit_base_patch16_224",
    "ViT-L/16": "vit_large_patch16_224",
    "R26+ViT-S/32": "vit_small_r26_s32_224",
    "BiT-R50x1": "resnetv2_50x1_bit",
}


def peer(name: str, spec: Architecture, num_classes: int, resolution: int) -> tuple[nn.Module, str]:
    """(module, description) of the model that our model `name` is compared with."""
    timm = import_timm()
    if timm is None or name not in {*TIMM, "R50x1"}:
        return plain.build(spec, num_classes, resolution), "a plain implementation"
    if name == "R50x1":
        return _post_activation(num_classes), f"timm {timm.__version__} ResNetV2(preact=False)"
    size = {} if isinstance(spec, ResNet) else {"img_size": resolution}
    return timm.create_model(TIMM[name], num_classes=num_classes, **size), f"timm {timm.__version__} {TIMM[name]}"


def import_timm() -> ModuleType | None:
    """timm, or None. A mock takes the place of torchvision where that cannot be imported, as with torch's CPU wheel.

    timm needs it for transforms, data sets and frozen batch norms, which are not used here.
    """
    if importlib.util.find_spec("timm") is None:
        return None
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules.update({f"torchvision{part}": MagicMock() for part in TORCHVISION})
    return importlib.import_module("timm")


def _post_activation(num_classes: int) -> nn.Module:
    """timm's R50x1 with the norms after the convolutions, as in our zoo: it is the backbone of timm's hybrids."""
    layers, resnetv2 = importlib.import_module("timm.layers"), importlib.import_module("timm.models.resnetv2")
    conv = partial(layers.StdConv2dSame, eps=1e-8)
    module: nn.Module = resnetv2.ResNetV2(
        [3, 4, 6, 3], num_classes=num_classes, preact=False, stem_type="same", conv_layer=conv
    )
    return module

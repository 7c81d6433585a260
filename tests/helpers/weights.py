"""Models with weights of every value, for tests that save and load weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import nn

from scaling.checkpoints.formats import save_npz
from scaling.models.build import build
from scaling.models.resnet import BiTResNet
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture


@overload
def random_model(spec: ViT | Hybrid, *, classes: int = 5, resolution: int = 32, seed: int = 0) -> VisionTransformer: ...
@overload
def random_model(spec: ResNet, *, classes: int = 5, resolution: int = 32, seed: int = 0) -> BiTResNet: ...
@overload
def random_model(
    spec: Architecture, *, classes: int = 5, resolution: int = 32, seed: int = 0
) -> VisionTransformer | BiTResNet: ...
def random_model(
    spec: Architecture, *, classes: int = 5, resolution: int = 32, seed: int = 0
) -> VisionTransformer | BiTResNet:
    """A model with no two parameters alike."""
    torch.manual_seed(seed)
    model: Any = build(spec, classes, resolution=resolution)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    made: VisionTransformer | BiTResNet = model
    return made


def arrays(model: nn.Module, tmp_path: Path) -> dict[str, np.ndarray]:
    """What `save_npz` writes."""
    save_npz(model, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        return dict(file)


def write_npz(path: Path, given: Mapping[str, Any]) -> None:
    """Arrays by their names, in a file of numpy's."""
    np.savez(path, **given)


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rename_all(given: dict[str, np.ndarray], change: Callable[[str], str]) -> dict[str, np.ndarray]:
    return {change(name): array for name, array in given.items()}


def before_linen(name: str) -> str:
    """The name in the first released files: flax numbered the layers of a block in one sequence."""
    for new, old in {"Attention_0": "Attention_1", "LayerNorm_1": "LayerNorm_2", "MlpBlock_0": "MlpBlock_3"}.items():
        name = name.replace(new, old)
    return name

"""Models as a user would bring them: functions and classes, named by their import path."""

from typing import Any

import torch
from torch import Tensor, nn

from scaling.models.build import build
from scaling.specs import ZOO


def convnet(num_classes: int, resolution: int, *, width: int = 8, last: bool = True) -> nn.Sequential:
    """Two strided convolutions with batch norm; `last`: the classifier is a dense layer, else a 1x1 convolution."""

    def layers(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    pooled = [*layers(3, width), *layers(width, 2 * width), nn.AdaptiveAvgPool2d(1)]
    if last:
        return nn.Sequential(*pooled, nn.Flatten(), nn.Linear(2 * width, num_classes))
    return nn.Sequential(*pooled, nn.Conv2d(2 * width, num_classes, 1), nn.Flatten())


class BiasedMLP(nn.Module):
    """A residual MLP over patches and an attention with a learned bias of the distance; it has features of its own."""

    def __init__(self, num_classes: int, resolution: int, patch: int = 4, width: int = 16) -> None:
        super().__init__()
        tokens = (resolution // patch) ** 2
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = nn.Parameter(torch.zeros(2 * tokens - 1))
        at = torch.arange(tokens)
        self.register_buffer("distance", at[:, None] - at[None] + tokens - 1, persistent=False)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.top = nn.Linear(width, num_classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).chunk(3, -1)
        distance: Any = self.distance
        x = x + (q @ k.transpose(1, 2) + self.bias[distance]).softmax(-1) @ v
        features: Tensor = (x + self.mlp(x)).mean(1)
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.top(self.features(x))
        return logits


class LikeTimm(nn.Module):
    """timm's interface: features by `forward_features` and `forward_head`."""

    def __init__(self, num_classes: int, resolution: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.fc = nn.Linear(6, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.stem(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        pooled = x.mean((2, 3))
        logits: Tensor = pooled if pre_logits else self.fc(pooled)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


class Dense(nn.Module):
    """One dense layer over the pixels, and what else a test adds to it."""

    def __init__(self, num_classes: int, resolution: int, outputs: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * resolution**2, outputs or num_classes)

    def forward(self, x: Tensor) -> Any:
        return self.layer(x.flatten(1))


class Several(Dense):
    """Gives more than logits."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(x), x


class Spectral(Dense):
    """Uses an operation that torch's counter does not know."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(torch.fft.fft2(x).real)


class Idle(Dense):
    """Has a parameter that takes no part."""

    def __init__(self, num_classes: int, resolution: int) -> None:
        super().__init__(num_classes, resolution)
        self.idle = nn.Parameter(torch.zeros(3))


class TwoHeads(Dense):
    """Has two layers that follow the number of classes."""

    def __init__(self, num_classes: int, resolution: int) -> None:
        super().__init__(num_classes, resolution)
        self.other = nn.Linear(num_classes, num_classes)

    def forward(self, x: Tensor) -> Any:
        return self.other(super().forward(x))


class Reading(Dense):
    """Reads a number from a tensor while it is made, which none on the meta device has."""

    def __init__(self, num_classes: int, resolution: int) -> None:
        super().__init__(num_classes, resolution)
        self.scale = torch.linspace(0.5, 1.0, 2)[1].item()

    def forward(self, x: Tensor) -> Any:
        return super().forward(x * self.scale)


def ours(num_classes: int, resolution: int, *, name: str) -> nn.Module:
    """A model of the zoo, as if it were a user's."""
    return build(ZOO[name], num_classes, resolution=resolution)


def without_resolution(num_classes: int) -> nn.Module:
    return nn.Linear(3, num_classes)


def no_module(num_classes: int, resolution: int) -> str:
    return "resnet"

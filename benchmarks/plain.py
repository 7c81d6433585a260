"""The models as they are usually implemented, to compare with where timm is not installed: timm's forward, in short.

Shapes: B images, C channels, H x W positions, N tokens, D width, k heads, K classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling.specs import Architecture, Hybrid, ResNet, ViT


class StdConv(nn.Conv2d):
    """Convolution without bias and with standardized weights, which batch_norm computes as in timm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        filters = self.weight.reshape(1, len(self.weight), -1)
        filters = F.batch_norm(filters, None, None, training=True, momentum=0.0, eps=1e-8)
        return F.conv2d(x, filters.reshape_as(self.weight), None, self.stride, self.padding)


class Bottleneck(nn.Module):
    """[B, C, H, W] -> [B, 4 * width, H / stride, W / stride]."""

    def __init__(self, in_channels: int, width: int, stride: int, groups: int) -> None:
        super().__init__()

        def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(StdConv(inputs, outputs, kernel, stride), nn.GroupNorm(groups, outputs))

        self.body = nn.Sequential(
            conv_norm(in_channels, width, 1),
            nn.ReLU(inplace=True),
            conv_norm(width, width, 3, stride),
            nn.ReLU(inplace=True),
            conv_norm(width, 4 * width, 1),
        )
        same = stride == 1 and in_channels == 4 * width
        self.shortcut = nn.Identity() if same else conv_norm(in_channels, 4 * width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def backbone(spec: ResNet) -> nn.Sequential:
    """Stem and stages: [B, 3, H, W] -> [B, C, H / stride, W / stride]."""
    large = spec.stem == "imagenet"
    root = StdConv(3, spec.width, 7, 2) if large else StdConv(3, spec.width, 3)
    layers = [root, nn.GroupNorm(spec.groups, spec.width), nn.ReLU(), *([nn.MaxPool2d(3, 2, 1)] if large else [])]
    channels = spec.width
    for stage, depth in enumerate(spec.depths):
        for unit in range(depth):
            width, stride = spec.width * 2**stage, 2 if stage and not unit else 1
            layers.append(Bottleneck(channels, width, stride, spec.groups))
            channels = 4 * width
    return nn.Sequential(*layers)


class Block(nn.Module):
    """[B, N, D] -> [B, N, D]."""

    def __init__(self, spec: ViT) -> None:
        super().__init__()
        self.heads = spec.num_heads
        self.norm1, self.norm2 = nn.LayerNorm(spec.width), nn.LayerNorm(spec.width)
        self.qkv, self.out = nn.Linear(spec.width, 3 * spec.width), nn.Linear(spec.width, spec.width)
        self.mlp = nn.Sequential(nn.Linear(spec.width, spec.mlp_dim), nn.GELU(), nn.Linear(spec.mlp_dim, spec.width))

    def forward(self, x: Tensor) -> Tensor:
        B, N, D = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(B, N, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, D))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class Transformer(nn.Module):
    """Logits [B, K] of images [B, 3, H, W], or of the feature maps of a stem."""

    def __init__(
        self, spec: ViT, num_classes: int, side: int, stem: nn.Module | None = None, channels: int = 3
    ) -> None:
        super().__init__()
        self.stem = stem or nn.Identity()
        self.patches = nn.Conv2d(channels, spec.width, spec.patch_size, spec.patch_size)
        self.token = nn.Parameter(torch.zeros(1, 1, spec.width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + (side // spec.patch_size) ** 2, spec.width))
        self.blocks = nn.Sequential(*(Block(spec) for _ in range(spec.depth)))
        self.norm, self.head = nn.LayerNorm(spec.width), nn.Linear(spec.width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(self.stem(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        y: Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return y


def build(model: Architecture, num_classes: int, resolution: int) -> nn.Module:
    """The plain module of a spec, for images of `resolution` pixels, with torch's initial weights.

    Raises ValueError for a form that is not the paper's usual one.
    """
    match model:
        case ViT(pool="token", positions="1d", positions_at="stem", attention="full", representation_size=None):
            return Transformer(model, num_classes, resolution)
        case Hybrid(backbone=stem, encoder=encoder):
            side = -(-resolution // stem.stride)
            return Transformer(encoder, num_classes, side, backbone(stem), stem.out_channels)
        case ResNet(activation="post", spatial="conv"):
            pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(model.out_channels, num_classes))
            return nn.Sequential(backbone(model), *pool)
        case _:
            raise ValueError(f"there is no plain implementation of this form of a {model.kind}: install timm")

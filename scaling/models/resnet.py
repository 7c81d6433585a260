"""BiT ResNet (Kolesnikov et al. 2020) as in the ViT paper's baselines and hybrids: GroupNorm and standardized weights.

The variant is that of the released hybrids: the norm follows each convolution, padding is XLA's SAME.
Shapes: B images, C channels, H x W positions, K classes.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from scaling.models.convolution import convolve
from scaling.models.vit import lecun_normal_
from scaling.specs import ResNet

EPS = 1e-6  # of every GroupNorm, as in the official code
WEIGHT_EPS = 1e-10  # added to the variance of a filter (Kolesnikov et al.); the norm that follows cancels it


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros (before, after) that make ceil(size / stride) outputs: XLA's SAME, the odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Images [B, C, H, W] with the border that SAME gives them."""
    top, bottom = same_padding(x.shape[2], kernel, stride)
    left, right = same_padding(x.shape[3], kernel, stride)
    return F.pad(x, (left, right, top, bottom), value=value) if top + bottom + left + right else x


def max_pool_same(x: Tensor, kernel: int = 3, stride: int = 2) -> Tensor:
    """Maximum over windows [B, C, H, W] -> [B, C, ceil(H / stride), ceil(W / stride)]; the border never wins."""
    return F.max_pool2d(pad_same(x, kernel, stride, value=float("-inf")), kernel, stride)


class StdConv(nn.Conv2d):
    """SAME convolution without bias whose filters have mean 0 and variance 1 (weight standardization)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, bias=False)
        lecun_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        filters = self.weight.flatten(1)  # [out, in * kernel * kernel]
        filters = F.layer_norm(filters, filters.shape[1:], eps=WEIGHT_EPS)  # the quickest way to say it
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1 and kernel % 2:  # the same border on every side: the convolution's own padding
            return convolve(x, filters.view_as(self.weight), padding=kernel // 2)
        return convolve(pad_same(x, kernel, stride), filters.view_as(self.weight), stride)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 and the shortcut: [B, C, H, W] -> [B, 4 * width, H / stride, W / stride]."""

    def __init__(self, in_channels: int, width: int, stride: int, groups: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.gn1 = StdConv(in_channels, width, 1), nn.GroupNorm(groups, width, eps=EPS)
        self.conv2, self.gn2 = StdConv(width, width, 3, stride), nn.GroupNorm(groups, width, eps=EPS)
        self.conv3, self.gn3 = StdConv(width, out, 1), nn.GroupNorm(groups, out, eps=EPS)
        nn.init.zeros_(self.gn3.weight)  # a new block computes its shortcut
        self.conv_proj, self.gn_proj = None, None
        if stride != 1 or in_channels != out:
            self.conv_proj, self.gn_proj = StdConv(in_channels, out, 1, stride), nn.GroupNorm(groups, out, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.conv_proj is not None and self.gn_proj is not None:
            shortcut = self.gn_proj(self.conv_proj(x))
        x = F.relu(self.gn1(self.conv1(x)))
        x = F.relu(self.gn2(self.conv2(x)))
        x = self.gn3(self.conv3(x))
        return F.relu(shortcut + x)


class Backbone(nn.Module):
    """Stem and stages: images [B, 3, H, W] -> [B, spec.out_channels, ceil(H / spec.stride), ceil(W / spec.stride)]."""

    def __init__(self, spec: ResNet) -> None:
        super().__init__()
        self.pool = spec.stem == "imagenet"
        self.conv_root = StdConv(3, spec.width, 7, 2) if self.pool else StdConv(3, spec.width, 3)
        self.gn_root = nn.GroupNorm(spec.groups, spec.width, eps=EPS)
        blocks, channels = [], spec.width
        for stage, depth in enumerate(spec.depths):
            for unit in range(depth):
                width, stride = spec.width * 2**stage, 2 if stage > 0 and unit == 0 else 1
                blocks.append(Bottleneck(channels, width, stride, spec.groups))
                channels = 4 * width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.gn_root(self.conv_root(x)))
        if self.pool:
            x = max_pool_same(x)
        for block in self.blocks:
            x = block(x)
        return x


class BiTResNet(nn.Module):
    """Backbone, global average pooling, linear classifier."""

    def __init__(self, spec: ResNet, num_classes: int, *, head_bias: float = 0.0) -> None:
        super().__init__()
        self.backbone = Backbone(spec)
        self.head = nn.Linear(spec.out_channels, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, head_bias)

    def features(self, x: Tensor) -> Tensor:
        """Representation of images [B, 3, H, W]: the mean over positions [B, D], D = `spec.out_channels`."""
        return self.backbone(x).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, K] of images [B, 3, H, W]."""
        return self.head(self.features(x))

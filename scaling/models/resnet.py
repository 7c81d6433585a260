"""BiT ResNet (Kolesnikov et al. 2020), in the ViT paper's baselines and hybrids: GroupNorm and standardized weights.

Two forms. 'post', of the released hybrids: norms follow the convolutions, padding is XLA's SAME. 'pre', of the BiT
paper and its released checkpoints: norms come before the convolutions, padding is the same on every side.
Shapes: B images, C channels, H x W positions, K classes.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scaling.models.axial_resnet import AxialAttention
from scaling.models.layers import GroupNorm, convolve, lecun_normal_, max_pool
from scaling.specs import ResNet

EPS = 1e-6  # of every GroupNorm after a convolution, as in the official code
PRE_EPS = 1e-5  # of every GroupNorm before one, as in BiT's
WEIGHT_EPS = 1e-5  # added to the standard deviation of a filter where norms come after; small filters feel it
PRE_WEIGHT_EPS = 1e-10  # added to its variance where they come before


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros (before, after) that make ceil(size / stride) outputs: XLA's SAME, the odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Float[Tensor, "B C H W"], kernel: int, stride: int) -> Float[Tensor, "B C H_out W_out"]:
    """Feature maps with the border of zeros that SAME gives them."""
    top, bottom = same_padding(x.shape[2], kernel, stride)
    left, right = same_padding(x.shape[3], kernel, stride)
    return F.pad(x, (left, right, top, bottom)) if top + bottom + left + right else x


def max_pool_same(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C (H+1)//2 (W+1)//2"]:
    """Maximum over 3x3 windows with stride 2, padded as SAME.

    SAME's border is `before` on every side or one more after, which is what rounding up reaches.
    """
    (top, _), (left, _) = (same_padding(size, 3, 2) for size in x.shape[2:])
    return max_pool(x, (top, left), ceil=True)


def max_pool_fixed(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C (H+1)//2 (W+1)//2"]:
    """Also with windows of 3x3 and stride 2, but on every side is a border of zeros, which may win."""
    return max_pool(F.pad(x, (1, 1, 1, 1)))


def standardize(weight: Float[Tensor, "O C kh kw"], fixed: bool) -> Float[Tensor, "O C kh kw"]:
    """A kernel with mean 0 and variance 1 in each of its O filters (Qiao et al. 2019).

    The official codes guard against a division by zero in two ways: at the deviation, or (`fixed`) at the variance.
    """
    filters = weight.flatten(1)  # [out, in * h * w]
    if fixed:
        return F.layer_norm(filters, filters.shape[1:], eps=PRE_WEIGHT_EPS).view_as(weight)  # the quickest way
    # Also 1 / deviation [out, 1], which has no gradient: a share eps / deviation of the filter's own goes without it.
    filters, _, inverse = torch.native_layer_norm(filters, filters.shape[1:], None, None, 1e-20)
    return filters.div_(1 + WEIGHT_EPS * inverse).view_as(weight)


class StdConv(nn.Conv2d):
    """Convolution without bias whose filters are standardized; padded as SAME, or, `fixed`, by (kernel - 1) / 2."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, fixed: bool = False
    ) -> None:
        even = fixed or (stride == 1 and kernel % 2 == 1)  # the border: then it is the convolution's own padding
        super().__init__(in_channels, out_channels, kernel, stride, kernel // 2 if even else 0, bias=False)
        self.fixed, self.even_border = fixed, even
        self.kept: Tensor | None = None  # the standardized kernel, within a `standardized` block
        lecun_normal_(self.weight)

    def filters(self) -> Float[Tensor, "O C kh kw"]:
        """The standardized kernel."""
        return standardize(self.weight, self.fixed) if self.kept is None else self.kept

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H_out W_out"]:
        x = x if self.even_border else pad_same(x, self.kernel_size[0], self.stride[0])
        return convolve(x, self.filters(), self.stride[0], int(self.padding[0]))


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 and the shortcut: [B, C, H, W] -> [B, 4 * width, H / stride, W / stride].

    `axial` takes the place of the 3x3 convolution and its norm, and has the stride.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, groups: int, *, axial: AxialAttention | None = None
    ) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.gn1 = StdConv(in_channels, width, 1), GroupNorm(groups, width, eps=EPS)
        self.conv2 = StdConv(width, width, 3, stride) if axial is None else axial
        self.gn2 = GroupNorm(groups, width, eps=EPS) if axial is None else nn.Identity()
        self.conv3, self.gn3 = StdConv(width, out, 1), GroupNorm(groups, out, eps=EPS)
        nn.init.zeros_(self.gn3.weight)  # a new block computes its shortcut
        self.conv_proj, self.gn_proj = None, None
        if stride != 1 or in_channels != out:
            self.conv_proj, self.gn_proj = StdConv(in_channels, out, 1, stride), GroupNorm(groups, out, eps=EPS)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H_out W_out"]:
        shortcut = x
        if self.conv_proj is not None and self.gn_proj is not None:
            shortcut = self.gn_proj(self.conv_proj(x))
        x = F.relu(self.gn1(self.conv1(x)), inplace=True)
        x = F.relu(self.gn2(self.conv2(x)), inplace=True)
        x = self.gn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class PreBottleneck(nn.Module):
    """The same, norm and ReLU before each convolution (He et al. 2016, v2); the projection reads the normed input."""

    def __init__(self, in_channels: int, width: int, stride: int, groups: int) -> None:
        super().__init__()
        out = 4 * width
        self.gn1 = GroupNorm(groups, in_channels, eps=PRE_EPS)
        self.conv1 = StdConv(in_channels, width, 1, fixed=True)
        self.gn2 = GroupNorm(groups, width, eps=PRE_EPS)
        self.conv2 = StdConv(width, width, 3, stride, fixed=True)
        self.gn3, self.conv3 = GroupNorm(groups, width, eps=PRE_EPS), StdConv(width, out, 1, fixed=True)
        projects = stride != 1 or in_channels != out
        self.conv_proj = StdConv(in_channels, out, 1, stride, fixed=True) if projects else None

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H_out W_out"]:
        h = F.relu(self.gn1(x), inplace=True)
        shortcut = x if self.conv_proj is None else self.conv_proj(h)
        h = self.conv1(h)
        h = self.conv2(F.relu(self.gn2(h), inplace=True))
        h = self.conv3(F.relu(self.gn3(h), inplace=True))
        return shortcut + h


def _block(spec: ResNet, in_channels: int, width: int, stride: int, side: int | None) -> nn.Module:
    if spec.activation == "pre":
        return PreBottleneck(in_channels, width, stride, spec.groups)
    if spec.spatial == "conv":
        return Bottleneck(in_channels, width, stride, spec.groups)
    if side is None:
        raise ValueError("axial attention needs the image's resolution: its tables are as long as the feature map")
    axial = AxialAttention(width, spec.num_heads, spec.groups, side, stride)
    return Bottleneck(in_channels, width, stride, spec.groups, axial=axial)


class Backbone(nn.Module):
    """Stem and stages: images [B, 3, H, W] -> [B, spec.out_channels, ceil(H / spec.stride), ceil(W / spec.stride)].

    `resolution`, in pixels, is needed by axial attention only; without it any image size goes.
    """

    def __init__(self, spec: ResNet, *, resolution: int | None = None) -> None:
        super().__init__()
        self.pre, self.pool = spec.activation == "pre", spec.stem == "imagenet"
        kernel, stride = (7, 2) if self.pool else (3, 1)
        self.conv_root = StdConv(3, spec.width, kernel, stride, fixed=self.pre)
        self.gn_root = None if self.pre else GroupNorm(spec.groups, spec.width, eps=EPS)
        blocks, channels, reduction = [], spec.width, 4 if self.pool else 1  # pixels per position
        for stage, depth in enumerate(spec.depths):
            for unit in range(depth):
                width, stride = spec.width * 2**stage, 2 if stage > 0 and unit == 0 else 1
                side = None if resolution is None else -(-resolution // reduction)  # of the block's input
                blocks.append(_block(spec, channels, width, stride, side))
                channels, reduction = 4 * width, reduction * stride
        self.blocks = nn.ModuleList(blocks)
        self.gn_out = GroupNorm(spec.groups, channels, eps=PRE_EPS) if self.pre else None

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C H_out W_out"]:
        x = self.conv_root(x)
        if self.gn_root is not None:
            x = F.relu(self.gn_root(x), inplace=True)
        if self.pool:
            x = max_pool_fixed(x) if self.pre else max_pool_same(x)
        for block in self.blocks:
            x = block(x)
        return x if self.gn_out is None else F.relu(self.gn_out(x), inplace=True)


class BiTResNet(nn.Module):
    """Backbone, global average pooling, linear classifier. `resolution` is the backbone's."""

    def __init__(
        self, spec: ResNet, num_classes: int, *, resolution: int | None = None, head_bias: float = 0.0
    ) -> None:
        super().__init__()
        self.backbone = Backbone(spec, resolution=resolution)
        self.head = nn.Linear(spec.out_channels, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, head_bias)

    def features(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """The representation of images: the mean over positions of the last feature map, D = `spec.out_channels`."""
        return self.backbone(x).mean(dim=(2, 3))

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """The logits of images."""
        return self.head(self.features(x))

"""BiT ResNet (Kolesnikov et al. 2020), in the ViT paper's baselines and hybrids: GroupNorm and standardized weights.

There are two forms. 'post', that of the released hybrids: norms follow the convolutions, and padding is XLA's SAME.
'pre', that of the BiT paper and its released checkpoints: norms come before the convolutions, and padding is equal on
all sides (`fixed`). The two official codes also differ in their epsilons, and both are followed.

Shapes: B images, C channels in and O out, H x W positions, D = `spec.out_channels`, K classes.
"""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scaling.models.axial_resnet import AxialAttention
from scaling.models.layers import CLASSIFIER, GroupNorm, convolve, lecun_normal_, max_pool
from scaling.specs import ResNet

POST_EPS = 1e-6  # of every GroupNorm after a convolution, as in the official code
PRE_EPS = 1e-5  # of every GroupNorm before a convolution, as in BiT's
# Added to the standard deviation of a filter in the form 'post'. It counts: small filters have deviations of this size.
POST_WEIGHT_EPS = 1e-5
PRE_WEIGHT_EPS = 1e-10  # added to the variance of a filter in the form 'pre'


# --- padding and pooling -----------------------------------------------------------------------------------------


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros (before, after) that make ceil(size / stride) outputs: XLA's SAME, with the odd zero after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Float[Tensor, "B C H W"], kernel: int, stride: int) -> Float[Tensor, "B C H_out W_out"]:
    """Feature maps with the border of zeros that SAME gives them."""
    top, bottom = same_padding(x.shape[2], kernel, stride)
    left, right = same_padding(x.shape[3], kernel, stride)
    return F.pad(x, (left, right, top, bottom)) if top + bottom + left + right else x


def max_pool_same(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C (H+1)//2 (W+1)//2"]:
    """Maximum over 3x3 windows with stride 2, padded as SAME.

    No copy of the maps with a border is made: SAME's border is `before` on every side, or one more after, and that one
    more is what rounding the output's size up reaches.
    """
    (top, _), (left, _) = (same_padding(size, 3, 2) for size in x.shape[2:])
    return max_pool(x, (top, left), ceil=True)


def max_pool_fixed(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C (H+1)//2 (W+1)//2"]:
    """Maximum over 3x3 windows with stride 2 and a border of zeros, which may win: BiT's code pads before it pools."""
    return max_pool(F.pad(x, (1, 1, 1, 1)))


# --- weight standardization --------------------------------------------------------------------------------------


def standardize(weight: Float[Tensor, "O C kh kw"], fixed: bool) -> Float[Tensor, "O C kh kw"]:
    """A kernel with mean 0 and variance 1 in each of its O filters (Qiao et al. 2019).

    The official codes guard against a division by zero in two ways: they add an epsilon to the standard deviation, or
    (`fixed`) to the variance.
    """
    filters = weight.flatten(1)  # [O, C kh kw]
    if fixed:  # a layer norm over each filter is the same computation in one fused kernel
        return F.layer_norm(filters, filters.shape[1:], eps=PRE_WEIGHT_EPS).view_as(weight)
    # x / (deviation + eps) is the layer norm x / deviation divided by 1 + eps / deviation. The kernel also returns
    # 1 / deviation [O, 1], but without a gradient: a share eps / deviation of the filter's gradient is left out.
    filters, _, inverse = torch.native_layer_norm(filters, filters.shape[1:], None, None, 1e-20)
    return filters.div_(1 + POST_WEIGHT_EPS * inverse).view_as(weight)


class StdConv(nn.Conv2d):
    """Convolution without bias whose filters are standardized; padded as SAME, or (`fixed`) by (kernel - 1) / 2."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, fixed: bool = False
    ) -> None:
        even = fixed or (stride == 1 and kernel % 2 == 1)  # equal on all sides: the convolution pads, without a copy
        super().__init__(in_channels, out_channels, kernel, stride, kernel // 2 if even else 0, bias=False)
        self.fixed, self.even_border = fixed, even
        # There from the start: compiled code is compiled once more when a module gets another attribute later.
        self.cached_filters: Tensor | None = None  # within a `standardized` block
        lecun_normal_(self.weight)

    def filters(self) -> Float[Tensor, "O C kh kw"]:
        """The standardized kernel."""
        return standardize(self.weight, self.fixed) if self.cached_filters is None else self.cached_filters

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H_out W_out"]:
        x = x if self.even_border else pad_same(x, self.kernel_size[0], self.stride[0])
        return convolve(x, self.filters(), self.stride[0], int(self.padding[0]))


@contextlib.contextmanager
def standardized(module: nn.Module) -> Iterator[None]:
    """Standardize every filter of `module` once, for several forward passes: a step's microbatches, an evaluation.

    Backward passes inside the block add up the gradients of the standardized filters; at its end these go back through
    the standardization into the weights, once. That is exact, because this backward pass is linear in the gradients.
    Weights must not change inside.
    """
    convs = [layer for layer in module.modules() if isinstance(layer, StdConv)]
    filters = [conv.filters() for conv in convs]
    # In an evaluation no filter wants a gradient, and nothing goes back at the end.
    leaves = [value.detach().requires_grad_(value.requires_grad) for value in filters]
    for conv, leaf in zip(convs, leaves, strict=True):
        conv.cached_filters = leaf
    try:
        yield
        reached = [(value, leaf.grad) for value, leaf in zip(filters, leaves, strict=True) if leaf.grad is not None]
        torch.autograd.backward([value for value, _ in reached], [grad for _, grad in reached])
    finally:
        for conv in convs:
            conv.cached_filters = None


# --- blocks ------------------------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions, and the shortcut: C channels to O = 4 * `width`.

    `axial` takes the place of the 3x3 convolution and its norm, and has the stride.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, groups: int, *, axial: AxialAttention | None = None
    ) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.gn1 = StdConv(in_channels, width, 1), GroupNorm(groups, width, eps=POST_EPS)
        self.conv2 = StdConv(width, width, 3, stride) if axial is None else axial
        self.gn2 = GroupNorm(groups, width, eps=POST_EPS) if axial is None else nn.Identity()
        self.conv3, self.gn3 = StdConv(width, out, 1), GroupNorm(groups, out, eps=POST_EPS)
        nn.init.zeros_(self.gn3.weight)  # so a new block computes its shortcut, as in the official code
        self.conv_proj, self.gn_proj = None, None
        if stride != 1 or in_channels != out:
            self.conv_proj, self.gn_proj = StdConv(in_channels, out, 1, stride), GroupNorm(groups, out, eps=POST_EPS)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H_out W_out"]:
        shortcut = x
        if self.conv_proj is not None and self.gn_proj is not None:
            shortcut = self.gn_proj(self.conv_proj(x))
        # In place, as the backward pass of a norm reads its input, not what it returned: a pass over the maps less.
        x = F.relu(self.gn1(self.conv1(x)), inplace=True)
        x = F.relu(self.gn2(self.conv2(x)), inplace=True)
        x = self.gn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class PreBottleneck(nn.Module):
    """The bottleneck with norm and ReLU before each convolution (He et al. 2016, v2).

    The shortcut's projection reads the normed input.
    """

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
        y: Float[Tensor, "B O H_out W_out"] = shortcut + h
        return y


def _block(spec: ResNet, in_channels: int, width: int, stride: int, side: int | None) -> nn.Module:
    if spec.activation == "pre":
        return PreBottleneck(in_channels, width, stride, spec.groups)
    if spec.spatial == "conv":
        return Bottleneck(in_channels, width, stride, spec.groups)
    if side is None:
        raise ValueError("axial attention needs the image's resolution: its tables are as long as the feature map")
    axial = AxialAttention(width, spec.num_heads, spec.groups, side, stride)
    return Bottleneck(in_channels, width, stride, spec.groups, axial=axial)


# --- the model ---------------------------------------------------------------------------------------------------


class Backbone(nn.Module):
    """Stem and stages: images to feature maps of ceil(H / spec.stride) x ceil(W / spec.stride) positions.

    `resolution`, in pixels, is needed by axial attention only; without it images of any size can be read.
    """

    def __init__(self, spec: ResNet, *, resolution: int | None = None) -> None:
        super().__init__()
        self.pre, self.pool = spec.activation == "pre", spec.stem == "imagenet"
        kernel, stride = (7, 2) if self.pool else (3, 1)
        self.conv_root = StdConv(3, spec.width, kernel, stride, fixed=self.pre)
        self.gn_root = None if self.pre else GroupNorm(spec.groups, spec.width, eps=POST_EPS)
        blocks, channels, reduction = [], spec.width, 4 if self.pool else 1  # reduction: pixels per position
        for stage, depth in enumerate(spec.depths):
            for unit in range(depth):
                width, stride = spec.width * 2**stage, 2 if stage > 0 and unit == 0 else 1
                side = None if resolution is None else -(-resolution // reduction)  # of the block's input
                blocks.append(_block(spec, channels, width, stride, side))
                channels, reduction = 4 * width, reduction * stride
        self.blocks = nn.ModuleList(blocks)
        self.gn_out = GroupNorm(spec.groups, channels, eps=PRE_EPS) if self.pre else None

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D H_out W_out"]:
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

    classifier = CLASSIFIER

    def __init__(
        self, spec: ResNet, num_classes: int, *, resolution: int | None = None, head_bias: float = 0.0
    ) -> None:
        super().__init__()
        self.backbone = Backbone(spec, resolution=resolution)
        self.head = nn.Linear(spec.out_channels, num_classes)
        # Zero, as in a VisionTransformer.
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, head_bias)

    def features(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """The representation of images: the mean over positions of the last feature map."""
        y: Float[Tensor, "B D"] = self.backbone(x).mean(dim=(2, 3))
        return y

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """The logits of images."""
        y: Float[Tensor, "B K"] = self.head(self.features(x))
        return y

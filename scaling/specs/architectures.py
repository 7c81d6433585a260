"""Architectures as frozen values: Vision Transformer, BiT ResNet, the hybrid of the two, and their axial forms."""

from dataclasses import dataclass, replace
from typing import Literal

from scaling.checks import check, check_types


@dataclass(frozen=True)
class ViT:
    """Vision Transformer (Dosovitskiy et al. 2021, §3.1, Table 1). Sizes in features, `patch_size` in pixels.

    The fields after the head's width are the ablations of the appendix. `positions` (§D.4, Table 8): a table over the
    tokens in raster order, one over columns beside one over rows, a bias of the attention by the distance in raster
    order, or none; `positions_at` says where tables are added. `pool` (§D.3, Figure 9): the head reads the class token,
    or the mean of the patches, and then there is no class token. `attention` (§D.6, Figure 13): over all tokens, or,
    in place of each block, a block over the rows and one over the columns, each with its own MLP.
    """

    patch_size: int
    width: int
    depth: int
    mlp_dim: int
    num_heads: int
    representation_size: int | None = None  # hidden width of the pre-training head (§D.3); None: linear head
    pool: Literal["token", "gap"] = "token"
    positions: Literal["none", "1d", "2d", "relative"] = "1d"
    positions_at: Literal["stem", "every_layer", "every_layer_shared"] = "stem"
    attention: Literal["full", "axial"] = "full"
    kind: Literal["vit"] = "vit"

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("patch_size", "width", "depth", "mlp_dim", "num_heads"):
            check(getattr(self, name) > 0, f"ViT {name} must be positive, got {getattr(self, name)}")
        check(
            self.width % self.num_heads == 0, f"ViT width {self.width} is not a multiple of num_heads {self.num_heads}"
        )
        size = self.representation_size
        check(size is None or size > 0, f"ViT representation_size must be positive or None, got {size}")
        tables = self.positions in ("1d", "2d")
        check(tables or self.positions_at == "stem", f"ViT positions {self.positions!r} have no table to add at layers")
        check(self.positions != "2d" or self.width % 2 == 0, f"ViT width {self.width} must be even for 2d positions")
        axial = self.attention == "axial"
        check(not axial or self.pool == "gap", "axial attention has no place for a class token: take pool='gap'")
        check(not axial or self.positions != "relative", "axial attention knows no relative positions")


@dataclass(frozen=True)
class ResNet:
    """BiT ResNet (Kolesnikov et al. 2020): GroupNorm, weight standardization, bottlenecks with the stride on the 3x3.

    `width` is the number of channels after the stem, 64 times the paper's width factor; stage i has `width * 2**i`
    channels inside a bottleneck and four times that outside. `activation`: norm and ReLU follow each convolution, with
    SAME padding, as in the released hybrids ('post'), or come before it, with fixed padding, as in the BiT paper and
    its checkpoints ('pre'). `spatial`: what mixes positions inside a bottleneck, a 3x3 convolution, or attention over
    the columns and then the rows with `num_heads` heads (AxialResNet, Wang et al. 2020; ViT §D.6).
    """

    depths: tuple[int, ...]  # blocks a stage
    width: int = 64
    stem: Literal["imagenet", "small"] = "imagenet"  # 7x7 stride 2 and max-pool, or 3x3 stride 1 for small images
    groups: int = 32
    activation: Literal["post", "pre"] = "post"
    spatial: Literal["conv", "axial"] = "conv"
    num_heads: int = 8
    kind: Literal["resnet"] = "resnet"

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", tuple(self.depths))
        check_types(self)
        check(len(self.depths) > 0 and min(self.depths) > 0, f"ResNet depths must be positive, got {self.depths}")
        check(
            self.width > 0 and self.groups > 0,
            f"ResNet width and groups must be positive, got {self.width}, {self.groups}",
        )
        check(self.width % self.groups == 0, f"ResNet width {self.width} is not a multiple of groups {self.groups}")
        if self.spatial == "axial":
            check(self.activation == "post", "axial attention replaces the convolutions of the post-activation form")
            heads = self.num_heads
            check(
                heads > 0 and self.width % (2 * heads) == 0,
                f"ResNet width {self.width} is not a multiple of twice num_heads {heads}: keys are half as wide",
            )

    @property
    def stride(self) -> int:
        """Pixels of the image per position of the last feature map."""
        return (4 if self.stem == "imagenet" else 1) * 2 ** (len(self.depths) - 1)

    @property
    def out_channels(self) -> int:
        return self.width * 4 * 2 ** (len(self.depths) - 1)


@dataclass(frozen=True)
class Hybrid:
    """A ResNet whose last feature map is the Transformer's input (§3.1); `encoder.patch_size` counts its positions.

    §4.1's two options: all four stages of R50 (/32), or stage 4's blocks moved into stage 3, 3-4-9 (/16).
    """

    backbone: ResNet
    encoder: ViT
    kind: Literal["hybrid"] = "hybrid"

    @property
    def representation_size(self) -> int | None:
        return self.encoder.representation_size


Architecture = ViT | ResNet | Hybrid


def family(model: Architecture) -> str:
    """What a model is counted under in tables and figures: its kind, or 'axial'."""
    match model:
        case ViT(attention="axial") | ResNet(spatial="axial"):
            return "axial"
        case _:
            return model.kind


def token_stride(model: Architecture) -> int | None:
    """Pixels a side of one token, or None for a ResNet, which takes any size."""
    match model:
        case ViT():
            return model.patch_size
        case Hybrid():
            return model.backbone.stride * model.encoder.patch_size
        case ResNet():
            return None


def whole_patches(model: Architecture, resolution: int) -> int:
    """The largest resolution up to this one that whole patches fill (H/14 at 384: 378); any one for a ResNet."""
    stride = token_stride(model) or 1
    return resolution // stride * stride


def without_representation(model: Architecture) -> Architecture:
    """The model that is fine-tuned: §B.1.1 drops the whole pre-training head."""
    match model:
        case ViT():
            return replace(model, representation_size=None)
        case Hybrid():
            return replace(model, encoder=replace(model.encoder, representation_size=None))
        case ResNet():
            return model

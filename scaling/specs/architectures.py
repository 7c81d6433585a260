"""Architectures as frozen values: Vision Transformer, BiT ResNet, the hybrid of the two, and their axial forms."""

from dataclasses import dataclass
from typing import Literal

from scaling.checks import as_tuples, check, check_numbers, check_types

STAGES = 8  # of a ResNet, at most: each halves the image and doubles the channels


@dataclass(frozen=True)
class ViT:
    """Vision Transformer (Dosovitskiy et al. 2021, §3.1, Table 1).

    The first five fields are Table 1's columns; those after `representation_size` are the ablations of the appendix:

    - `pool` (§D.3, Figure 9): the head reads the class token, or the mean of the patch tokens ('gap', global average
      pooling), and then the model has no class token.
    - `positions` (§D.4, Table 8): no position embedding, a table over the tokens in raster order ('1d'), one table over
      columns concatenated with one over rows ('2d'), or a bias of the attention by the distance in raster order
      ('relative'). `positions_at` says where tables are added: to the input, or to the input of every layer, with a
      table for each or one that is shared.
    - `attention` (§D.6, Figure 13): over all tokens, or 'axial': in place of each block, one block that attends along
      the rows and one along the columns, each with its own MLP.
    """

    patch_size: int  # pixels on a side of a patch; in a hybrid, positions of the feature map
    width: int  # features of a token
    depth: int  # number of encoder blocks
    mlp_dim: int  # hidden features of a block's MLP
    num_heads: int  # attention heads of a block; divides the width
    representation_size: int | None = None  # hidden width of the pre-training head (§D.3); None: linear head
    pool: Literal["token", "gap"] = "token"  # what the head reads: the class token, or the mean of the patches
    positions: Literal["none", "1d", "2d", "relative"] = "1d"  # kind of the position embedding
    positions_at: Literal["stem", "every_layer", "every_layer_shared"] = "stem"  # where its table is added
    attention: Literal["full", "axial"] = "full"  # over all tokens, or along rows and columns
    kind: Literal["vit"] = "vit"  # tells the architectures apart in JSON

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
        check(
            tables or self.positions_at == "stem",
            f"ViT positions {self.positions!r} have no table to add at layers: take positions_at='stem'",
        )
        check(self.positions != "2d" or self.width % 2 == 0, f"ViT width {self.width} must be even for 2d positions")
        axial = self.attention == "axial"
        check(
            not axial or self.pool == "gap",
            "axial attention has no class token, whose row and column would be undefined: take pool='gap'",
        )
        check(
            not axial or self.positions != "relative",
            "axial attention has no relative positions: take positions='1d', '2d' or 'none'",
        )
        check_numbers(self)


@dataclass(frozen=True)
class ResNet:
    """BiT ResNet (Kolesnikov et al. 2020): GroupNorm, weight standardization, bottlenecks with the stride on the 3x3.

    - `width`: the channels after the stem, 64 times the paper's width factor. Stage i, from 0, has `width * 2**i`
      channels inside its bottlenecks and four times as many between them.
    - `activation`: normalization and ReLU follow each convolution, with SAME padding, as in the released hybrids
      ('post'), or come before it, with fixed padding, as in the BiT paper and its checkpoints ('pre').
    - `spatial`: what mixes positions inside a bottleneck: a 3x3 convolution, or attention along the columns and then
      along the rows with `num_heads` heads ('axial': AxialResNet, Wang et al. 2020; ViT §D.6).
    """

    depths: tuple[int, ...]  # number of bottleneck blocks in each stage
    width: int = 64  # channels after the stem: 64 times the paper's width factor
    stem: Literal["imagenet", "small"] = "imagenet"  # 7x7 stride 2 and max-pool, or 3x3 stride 1 for small images
    groups: int = 32  # groups of GroupNorm; divides the width
    activation: Literal["post", "pre"] = "post"  # norm and ReLU after each convolution, or before it
    spatial: Literal["conv", "axial"] = "conv"  # what mixes positions inside a bottleneck
    num_heads: int = 8  # attention heads, read only when spatial is axial
    kind: Literal["resnet"] = "resnet"  # tells the architectures apart in JSON

    def __post_init__(self) -> None:
        as_tuples(self, "depths")
        check_types(self)
        check(len(self.depths) > 0 and min(self.depths) > 0, f"ResNet depths must be positive, got {self.depths}")
        check(len(self.depths) <= STAGES, f"ResNet depths must be of at most {STAGES} stages, got {len(self.depths)}")
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
        check_numbers(self)

    @property
    def stride(self) -> int:
        """Pixels of the image's side per position of the last feature map."""
        return int((4 if self.stem == "imagenet" else 1) * 2 ** (len(self.depths) - 1))

    @property
    def out_channels(self) -> int:
        """Channels of the last feature map."""
        return int(self.width * 4 * 2 ** (len(self.depths) - 1))


@dataclass(frozen=True)
class Hybrid:
    """A ResNet whose last feature map is the Transformer's input (§3.1).

    `encoder.patch_size` is counted in positions of that feature map, 1 in the paper's models. §4.1 has two backbones:
    all four stages of R50 (names in /32), or three, with stage 4's blocks moved into stage 3: 3-4-9 (names in /16).
    """

    backbone: ResNet  # the ResNet that sees the image
    encoder: ViT  # the Transformer on its last feature map
    kind: Literal["hybrid"] = "hybrid"  # tells the architectures apart in JSON

    def __post_init__(self) -> None:
        check_types(self)

    @property
    def representation_size(self) -> int | None:
        return self.encoder.representation_size

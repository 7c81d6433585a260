"""Architectures as frozen values: Vision Transformer, BiT ResNet, and the hybrid of the two."""

from dataclasses import dataclass, replace
from typing import Literal

from scaling.identity import check, check_choices


@dataclass(frozen=True)
class ViT:
    """Vision Transformer (Dosovitskiy et al. 2021, §3.1, Table 1). Sizes in features, `patch_size` in pixels."""

    patch_size: int
    width: int
    depth: int
    mlp_dim: int
    num_heads: int
    representation_size: int | None = None  # hidden width of the pre-training head (§D.3); None: linear head
    kind: Literal["vit"] = "vit"

    def __post_init__(self) -> None:
        for name in ("patch_size", "width", "depth", "mlp_dim", "num_heads"):
            check(getattr(self, name) > 0, f"ViT {name} must be positive, got {getattr(self, name)}")
        check(
            self.width % self.num_heads == 0, f"ViT width {self.width} is not a multiple of num_heads {self.num_heads}"
        )
        size = self.representation_size
        check(size is None or size > 0, f"ViT representation_size must be positive or None, got {size}")


@dataclass(frozen=True)
class ResNet:
    """BiT ResNet (Kolesnikov et al. 2020): GroupNorm, weight standardization, bottlenecks with the stride on the 3x3.

    `width` is the number of channels after the stem, 64 times the paper's width factor; stage i has `width * 2**i`
    channels inside a bottleneck and four times that outside. Normalisation follows the convolutions, as in the
    released hybrids (post-activation).
    """

    depths: tuple[int, ...]  # blocks a stage
    width: int = 64
    stem: Literal["imagenet", "small"] = "imagenet"  # 7x7 stride 2 and max-pool, or 3x3 stride 1 for small images
    groups: int = 32
    kind: Literal["resnet"] = "resnet"

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", tuple(self.depths))
        check_choices(self)
        check(len(self.depths) > 0 and min(self.depths) > 0, f"ResNet depths must be positive, got {self.depths}")
        check(
            self.width > 0 and self.groups > 0,
            f"ResNet width and groups must be positive, got {self.width}, {self.groups}",
        )
        check(self.width % self.groups == 0, f"ResNet width {self.width} is not a multiple of groups {self.groups}")

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

"""Models as frozen values: an architecture of ours, or a function of yours; and what holds for all of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from scaling.checks import as_tuples, check, check_name, check_numbers, check_types
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.functions import Options, as_options, as_path
from scaling.specs.identity import OUTSIDE

TIMM, PRETRAINED = "timm:", "?pretrained"
TIMM_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?")


@dataclass(frozen=True)
class Count:
    """What a model costs at one resolution and number of classes: counted on it, not in closed form.

    Where the taps of convolutions that fall into the padding are left out (`macs_valid`), see `scaling.flops`.
    """

    resolution: int  # pixels on a side
    num_classes: int  # classes of the classifier
    parameters: int  # the classifier's included
    classifier: int  # the classifier's parameters
    macs: int  # multiply-accumulates of the forward pass of one image
    macs_valid: int  # of them those that are not with padding


@dataclass(frozen=True)
class Custom:
    """A model of yours, or of timm's.

    `path` is a function by its import path ('my_models:convnext'), one of the study's own file ('study.py:build', or
    the function itself), or 'timm:NAME'. It is called as `function(num_classes, resolution, **options)`, for square
    images of so many pixels a side, and returns a torch module from float images [B, 3, R, R] in [-1, 1] to logits
    [B, num_classes]; timm's are created with `num_classes` and `options`, and with `img_size` where they take it.
    'timm:NAME?pretrained' starts from timm's weights, where they lie in its cache or its hub answers, and normalizes
    images as those want it.

    Its features are what its `features(x)` returns, timm's `forward_head(forward_features(x), pre_logits=True)`, or
    what goes into its classifier, the linear layer whose shape follows `num_classes`. Fine-tuning replaces that layer.

    Its identity is the path, the options, `version`, and the names and shapes of its parameters. Costs are counted.
    """

    path: str | Callable[..., Any]  # 'module:function', 'FILE.py:function' of the study, 'timm:NAME', or a function
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    family: str = field(metadata=OUTSIDE, default="")  # in tables and figures; '': the name without its size
    version: str = ""  # a word of yours that tells changes of the code apart
    fingerprint: str | None = None  # hash of its parameters' names and shapes; None: read from the model
    counts: tuple[Count, ...] = field(metadata=OUTSIDE, default=())  # its costs where the study needs them
    kind: Literal["custom"] = "custom"  # tells the architectures apart in JSON

    def __post_init__(self) -> None:
        if self.is_timm:
            name = self.timm_name
            check(
                TIMM_NAME.fullmatch(name) is not None, f"Custom {self.path!r} must name a model as timm.list_models()"
            )
        else:
            as_path(self)
        as_options(self)
        as_tuples(self, "counts")
        check_types(self)
        check_name(f"family of Custom {self.path}", self.family_name)
        check_numbers(self)

    @property
    def is_timm(self) -> bool:
        return isinstance(self.path, str) and self.path.startswith(TIMM)

    @property
    def pretrained(self) -> bool:
        """Whether it starts from timm's weights."""
        return self.is_timm and str(self.path).endswith(PRETRAINED)

    @property
    def timm_name(self) -> str:
        return str(self.path).removeprefix(TIMM).removesuffix(PRETRAINED)

    @property
    def family_name(self) -> str:
        """The family, or the name's beginning: 'convnext' of convnext_atto, 'resnet' of resnet18."""
        name = self.timm_name if self.is_timm else str(self.path).rpartition(":")[2].rpartition(".")[2]
        beginning = re.match(r"[A-Za-z]+", name)
        return self.family or (beginning[0].lower() if beginning and self.is_timm else name)

    def count(self, resolution: int, num_classes: int | None) -> Count:
        """Its costs at a resolution, for so many classes, or for any. Raises ValueError where they were not counted."""
        for count in self.counts:
            if count.resolution == resolution and num_classes in (None, count.num_classes):
                return count
        classes = "" if num_classes is None else f" with {num_classes} classes"
        raise ValueError(f"{self.path} at {resolution} pixels{classes} is not counted: count_study(study) does it")


Architecture = ViT | ResNet | Hybrid | Custom


def family(model: Architecture) -> str:
    """The family that tables and figures count a model under: its kind, or 'axial'; of a `Custom` what it says."""
    match model:
        case Custom():
            return model.family_name
        case ViT(attention="axial") | ResNet(spatial="axial"):
            return "axial"
        case _:
            return model.kind


def token_stride(model: Architecture) -> int | None:
    """Pixels on a side of the square that one token stands for; None for a model without tokens that we know of."""
    match model:
        case ViT():
            return model.patch_size
        case Hybrid():
            return model.backbone.stride * model.encoder.patch_size
        case ResNet() | Custom():
            return None


def whole_patches(model: Architecture, resolution: int) -> int:
    """The largest resolution, in pixels, up to this one that whole patches fill: 378 for ViT-H/14 at 384.

    Models without tokens take every resolution as it is.
    """
    stride = token_stride(model) or 1
    return resolution // stride * stride


def without_representation(model: Architecture) -> Architecture:
    """The model without the hidden layer of its head, as it is fine-tuned (§B.1.1 replaces the whole head)."""
    match model:
        case ViT():
            return replace(model, representation_size=None)
        case Hybrid():
            return replace(model, encoder=replace(model.encoder, representation_size=None))
        case ResNet() | Custom():
            return model

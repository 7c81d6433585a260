"""The layouts of weights: what each code calls a parameter of ours, and how its array is arranged there.

vision_transformer: google-research/vision_transformer and big_vision (flax): ViTs, hybrids, post-activation ResNets
big_transfer: google-research/big_transfer (TensorFlow): pre-activation ResNets
timm: huggingface/pytorch-image-models: all of these
ours: the module's own names

Shapes: D width, k heads, C and O channels in and out, h x w kernel, K classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from scaling.specs import ViT

Layout = Literal["vision_transformer", "big_transfer", "timm", "ours"]
HEADS: dict[Layout, tuple[str, ...]] = {  # how names begin: first the classifier's, then the hidden layer's
    "vision_transformer": ("head/", "pre_logits/"),
    "big_transfer": ("resnet/head/",),
    "timm": ("head.", "pre_logits."),
    "ours": ("head.", "pre_logits."),
}


@dataclass(frozen=True)
class Form:
    """How an array is arranged in their file: `read` turns theirs into ours, `write` ours into theirs."""

    read: Callable[[Tensor], Tensor]
    write: Callable[[Tensor], Tensor]


UNCHANGED = Form(lambda theirs: theirs, lambda ours: ours)
DENSE = Form(lambda theirs: theirs.T, lambda ours: ours.T)  # [C, O], ours [O, C]
CONV = Form(lambda theirs: theirs.permute(3, 2, 0, 1), lambda ours: ours.permute(2, 3, 1, 0))  # [h, w, C, O]
CONV_1X1 = Form(lambda theirs: theirs[0, 0].T, lambda ours: ours.T[None, None])  # [1, 1, C, K], ours [K, C]
TORCH_1X1 = Form(lambda theirs: theirs[:, :, 0, 0], lambda ours: ours[:, :, None, None])  # [K, C, 1, 1], ours [K, C]


def _from_heads(k: int) -> Form:
    return Form(lambda theirs: theirs.flatten(0, 1).T, lambda ours: ours.T.unflatten(0, (k, -1)))  # [k, D/k, D]


def _to_heads(k: int) -> Form:
    return Form(lambda theirs: theirs.flatten(1).T, lambda ours: ours.T.unflatten(1, (k, -1)))  # [D, k, D/k]


def _head_bias(k: int) -> Form:
    return Form(lambda theirs: theirs.flatten(), lambda ours: ours.unflatten(0, (k, -1)))  # [k, D/k]


@dataclass(frozen=True)
class Entry:
    """One parameter of ours: `theirs`, concatenated along the first axis (their q, k and v are one of ours)."""

    ours: str
    theirs: tuple[str, ...]
    form: Form = UNCHANGED


@dataclass(frozen=True)
class _Sizes:
    """The sizes of a module that names and forms depend on: heads, and (stage, unit) of each ResNet block, from 0."""

    num_heads: int
    places: list[tuple[int, int]]


def layout_entries(module: nn.Module, layout: Layout) -> list[Entry]:
    """For every parameter of the module, its names and form in a file of this layout.

    Raises ValueError when the layout has no name for a parameter, or its code would compute something else with it.
    """
    state = module.state_dict()
    if layout == "ours":
        return [Entry(name, (name,)) for name in state]
    _check_variant(module, layout)
    entry_of = {"vision_transformer": _vision_transformer, "big_transfer": _big_transfer, "timm": _timm}[layout]
    sizes = _Sizes(_num_heads(module), _places(state))
    return [entry_of(name, tensor, sizes) for name, tensor in state.items()]


def export_weights(state: Mapping[str, Tensor], table: list[Entry]) -> dict[str, Tensor]:
    """The weights by the names and in the forms of a layout, contiguous, on the CPU (meta tensors stay on meta)."""
    exported = {}
    for entry in table:
        ours = state[entry.ours].detach()
        ours = ours if ours.is_meta else ours.cpu()
        for name, part in zip(entry.theirs, ours.chunk(len(entry.theirs)), strict=True):
            exported[name] = entry.form.write(part).contiguous()
    return exported


def _check_variant(module: nn.Module, layout: Layout) -> None:
    spec = getattr(module, "spec", None)
    if spec is None or spec.kind != "vit":
        return
    # Checked before the names, so that the message says which variant it is rather than name one of its parameters.
    supported = {"positions": "1d", "positions_at": "stem", "attention": "full"}
    for field, value in supported.items():
        if getattr(spec, field) != value:
            raise ValueError(
                f"layout {layout} holds ViTs with {field} {value!r}, not {getattr(spec, field)!r}; "
                "our own names in .safetensors hold every model"
            )


def _num_heads(module: nn.Module) -> int:
    specs = (getattr(part, "spec", None) for part in module.modules())
    return next((spec.num_heads for spec in specs if isinstance(spec, ViT)), 0)


def _places(state: Mapping[str, Tensor]) -> list[tuple[int, int]]:
    """Stage and unit of each ResNet block, both from 0: a stage begins where the width inside the blocks changes."""
    root = "stem" if "stem.conv_root.weight" in state else "backbone"
    places: list[tuple[int, int]] = []
    width = 0
    while (kernel := state.get(f"{root}.blocks.{len(places)}.conv1.weight")) is not None:
        stage, unit = places[-1] if places else (-1, 0)
        places.append((stage, unit + 1) if len(kernel) == width else (stage + 1, 0))
        width = len(kernel)
    return places


def _no_place(name: str, layout: Layout) -> ValueError:
    return ValueError(
        f"layout {layout} has no place for {name} of this model; our own names in .safetensors hold every model"
    )


# --- vision_transformer ------------------------------------------------------------------------------------------

POSITIONS = "Transformer/posembed_input/pos_embedding"
_BLOCK = {
    "norm1": "LayerNorm_0",
    "norm2": "LayerNorm_1",
    "fc1": "MlpBlock_0/Dense_0",
    "fc2": "MlpBlock_0/Dense_1",
}
_ROOT = {"patch_embed": "embedding", "norm": "Transformer/encoder_norm", "pre_logits": "pre_logits", "head": "head"}
_UNIT = ("conv1", "conv2", "conv3", "conv_proj", "gn1", "gn2", "gn3", "gn_proj")


def _vision_transformer(name: str, tensor: Tensor, sizes: _Sizes) -> Entry:
    path, _, leaf = name.rpartition(".")
    match path.split("."):
        case [""] if leaf in ("cls_token", "pos_embed"):
            return Entry(name, ("cls" if leaf == "cls_token" else POSITIONS,))
        case ["blocks", i, "attention", "qkv" | "out" as part]:
            return _attention(name, f"Transformer/encoderblock_{i}/MultiHeadDotProductAttention_0", part, leaf, sizes)
        case ["blocks", i, part] if part in _BLOCK:
            theirs = f"Transformer/encoderblock_{i}/{_BLOCK[part]}"
        case ["stem" | "backbone", "conv_root" | "gn_root" as part]:
            theirs = part
        case ["stem" | "backbone", "blocks", j, part] if part in _UNIT:
            stage, unit = sizes.places[int(j)]
            theirs = f"block{stage + 1}/unit{unit + 1}/{part}"
        case [part] if part in _ROOT:
            theirs = _ROOT[part]
        case _:
            raise _no_place(name, "vision_transformer")
    if leaf == "bias":
        return Entry(name, (f"{theirs}/bias",))
    kind, form = {1: ("scale", UNCHANGED), 2: ("kernel", DENSE), 4: ("kernel", CONV)}[tensor.ndim]
    return Entry(name, (f"{theirs}/{kind}",), form)


def _attention(name: str, theirs: str, part: str, leaf: str, sizes: _Sizes) -> Entry:
    kind = "kernel" if leaf == "weight" else "bias"
    if part == "out":
        return Entry(name, (f"{theirs}/out/{kind}",), _from_heads(sizes.num_heads) if kind == "kernel" else UNCHANGED)
    form = _to_heads(sizes.num_heads) if kind == "kernel" else _head_bias(sizes.num_heads)
    return Entry(name, tuple(f"{theirs}/{which}/{kind}" for which in ("query", "key", "value")), form)


# --- big_transfer ------------------------------------------------------------------------------------------------


def _big_transfer(name: str, tensor: Tensor, sizes: _Sizes) -> Entry:
    path, _, leaf = name.rpartition(".")
    match path.split("."):
        case ["backbone", "conv_root"]:
            theirs = "resnet/root_block"
        case ["backbone", "gn_out"]:
            theirs = "resnet"
        case ["backbone", "blocks", j, part] if part in _UNIT and part != "gn_proj":
            stage, unit = sizes.places[int(j)]
            branch = "a/proj" if part == "conv_proj" else "abc"[int(part[-1]) - 1]
            theirs = f"resnet/block{stage + 1}/unit{unit + 1:02d}/{branch}"
        case ["head"]:
            kernel = leaf == "weight"
            return Entry(
                name, ("resnet/head/conv2d/" + ("kernel" if kernel else "bias"),), CONV_1X1 if kernel else UNCHANGED
            )
        case _:
            raise _no_place(name, "big_transfer")
    if tensor.ndim == 4:
        return Entry(name, (f"{theirs}/standardized_conv2d/kernel",), CONV)
    return Entry(name, (f"{theirs}/group_norm/" + ("gamma" if leaf == "weight" else "beta"),))


# --- timm --------------------------------------------------------------------------------------------------------

_TIMM_BLOCK = {
    "norm1": "norm1",
    "attention.qkv": "attn.qkv",
    "attention.out": "attn.proj",
    "norm2": "norm2",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}
_TIMM_ROOT = {"patch_embed": "patch_embed.proj", "norm": "norm", "pre_logits": "pre_logits.fc", "head": "head"}
_TIMM_STEM = {"conv_root": "stem.conv", "gn_root": "stem.norm", "gn_out": "norm"}
_TIMM_UNIT = {"conv_proj": "downsample.conv", "gn_proj": "downsample.norm"}
TIMM_VARIANTS = {  # parts of names in timm's models that compute what none of ours does
    "fc_norm.": "a norm after the pooling, where ours is before it (timm's fc_norm=True)",
    "norm_pre.": "a norm before the blocks",
    "reg_token": "register tokens",
    "dist_token": "a distillation token",
    "attn_pool.": "attention pooling",
    ".ls1.": "LayerScale",
    ".q_norm.": "norms of queries and keys",
}


def _timm(name: str, tensor: Tensor, sizes: _Sizes) -> Entry:
    path, _, leaf = name.rpartition(".")
    match path.split("."):
        case [""] if leaf in ("cls_token", "pos_embed"):
            return Entry(name, (leaf,))
        case ["blocks", i, *parts] if ".".join(parts) in _TIMM_BLOCK:
            theirs = f"blocks.{i}.{_TIMM_BLOCK['.'.join(parts)]}"
        case ["stem" | "backbone" as root, part] if part in _TIMM_STEM:
            theirs = _timm_resnet(root) + _TIMM_STEM[part]
        case ["stem" | "backbone" as root, "blocks", j, part] if part in _UNIT:
            stage, unit = sizes.places[int(j)]
            layer = _TIMM_UNIT.get(part, part.replace("gn", "norm"))
            theirs = f"{_timm_resnet(root)}stages.{stage}.blocks.{unit}.{layer}"
        case ["head"] if sizes.num_heads == 0:
            return Entry(name, (f"head.fc.{leaf}",), TORCH_1X1 if leaf == "weight" else UNCHANGED)
        case [part] if part in _TIMM_ROOT:
            theirs = _TIMM_ROOT[part]
        case _:
            raise _no_place(name, "timm")
    return Entry(name, (f"{theirs}.{leaf}",))


def _timm_resnet(root: str) -> str:
    return "patch_embed.backbone." if root == "stem" else ""

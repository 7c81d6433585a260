"""Checkpoints of the official codes and of timm, in and out: ViTs, hybrids and both forms of ResNets.

    module = build(model("ViT-B/16"), 21843, resolution=224)
    load(module, "gs://vit_models/imagenet21k/ViT-B_16.npz", head="reset")

Nothing is unpickled. A file does not say how many heads a ViT has, how it pools, or how wide a GroupNorm's groups are:
those are the module's. timm's ViTs take the exact GELU where the official code and ours take its tanh form.
"""

import io
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from scaling.checkpoints.files import Checkpoint, old_name, parse_arrays, read_arrays, write_arrays
from scaling.checkpoints.names import HEADS, POSITIONS, Layout, entries, exported
from scaling.checks import check
from scaling.models import load_pretrained

Head = Literal["keep", "reset", "drop"]  # each leaves out one part more of the file's head: none, classifier, all
SHOWN = 3  # names of each kind of problem in a message


def load_weights(module: nn.Module, source: str | Path | Mapping[str, Any], *, head: Head = "keep") -> None:
    """Load a checkpoint into a module. Its layout is known by its names; positions are resized to the module's grid.

    `source` is the path or URI (any that fsspec has a driver for) of a `.npz` or `.safetensors` file, or a mapping from
    names to arrays or tensors. `head`: 'keep' loads the file's whole head, which must fit; 'reset' loads the hidden
    layer and sets the classifier to zero; 'drop' leaves the module's head as it is (§B.1.1 names the last two).
    Raises ValueError, and changes nothing, when the source cannot be read, or a parameter is missing, left over or of
    another shape; the parameter is called by its name in the file.
    """
    check(head in get_args(Head), f"head must be one of {', '.join(get_args(Head))}, got {head!r}")
    checkpoint = (
        parse_arrays(source, "the mapping")
        if isinstance(source, Mapping)
        else parse_arrays(read_arrays(source), str(source))
    )
    parts_out = get_args(Head).index(head)
    theirs_out, ours_out = HEADS[checkpoint.layout][:parts_out], HEADS["ours"][:parts_out]
    given = {name: tensor for name, tensor in checkpoint.tensors.items() if not name.startswith(theirs_out)}
    table = [entry for entry in entries(module, checkpoint.layout) if not entry.ours.startswith(ours_out)]
    own = module.state_dict()
    _check(checkpoint, given, exported({name: value.to("meta") for name, value in own.items()}, table))

    state = {e.ours: torch.cat([e.form.read(given[name]) for name in e.theirs]).to(own[e.ours]) for e in table}
    load_pretrained(module, {**own, **_with_class_row(state)})  # all but the classifier
    with torch.no_grad():
        for name in ("head.weight", "head.bias"):
            if head != "drop":
                own[name].copy_(state[name] if head == "keep" else torch.zeros_like(own[name]))


def save_npz(module: nn.Module, path: str | Path, *, old_names: bool = False) -> None:
    """Write the official layout of the module's kind, float32: big_transfer for pre-activation ResNets, else that of
    vision_transformer.

    `old_names`: a block's layers as the first released files number them (MlpBlock_3 for today's MlpBlock_0). The
    official code reads both, timm's `load_pretrained` and many others read these.
    Raises ValueError when the layout cannot hold the module, or the path or URI cannot be written or does not end in
    `.npz`.
    """
    state = module.state_dict()
    layout: Layout = "big_transfer" if "backbone.gn_out.weight" in state else "vision_transformer"
    arrays: dict[str, Any] = {
        old_name(name) if old_names else name: value.float().numpy()
        for name, value in exported(state, entries(module, layout)).items()
    }
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_arrays(path, content.getvalue(), ".npz")


def save_safetensors(module: nn.Module, path: str | Path, *, layout: Literal["ours", "timm"] = "ours") -> None:
    """Write `.safetensors` under our own names, which hold every model, or under timm's.

    timm's model for a module of mean pooling: `class_token=False, global_pool='avg', fc_norm=False`.
    Raises ValueError when the layout cannot hold the module, or the path or URI cannot be written or does not end in
    `.safetensors`.
    """
    state = module.state_dict()
    if layout == "timm" and "pre_logits.weight" in state:
        raise ValueError("timm's models have no hidden layer in the head: build the module without representation_size")
    write_arrays(path, safetensors.torch.save(exported(state, entries(module, layout))), ".safetensors")


def _with_class_row(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with a position of zeros for the class token, where the token was added after the positions."""
    table = state.get("pos_embed")
    if table is None or "cls_token" not in state or not _square(table.shape[1]):
        return state
    return {**state, "pos_embed": torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)}


def _square(count: int) -> bool:
    return isqrt(count) ** 2 == count


def _check(checkpoint: Checkpoint, given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the parameters are those that the module expects, in their shapes."""
    shapes = {
        name: f" {list(given[name].shape)} instead of {list(expected[name].shape)}"
        for name in given.keys() & expected.keys()
        if not _fits(checkpoint.layout, name, given[name].shape, expected[name].shape)
    }
    found = {
        "missing": dict.fromkeys(expected.keys() - given.keys(), ""),
        "left over": dict.fromkeys(given.keys() - expected.keys(), ""),
        "wrong shape": shapes,
    }
    problems = [f"{what}: {_some(checkpoint, names)}" for what, names in found.items() if names]
    wrong = [name for names in found.values() for name in names]
    if wrong:
        heads = all(name.startswith(HEADS[checkpoint.layout]) for name in wrong)
        hint = "; head='reset' leaves out the classifier, head='drop' the whole head" if heads else ""
        raise ValueError(f"{checkpoint.label} does not fit the model: {'; '.join(problems)}{hint}")


def _fits(layout: Layout, name: str, given: torch.Size, expected: torch.Size) -> bool:
    """Whether a parameter has its shape, or is a position table that can be resized: of a square of patches."""
    if layout == "ours" and not name.startswith("head."):
        return True  # `load_pretrained` judges, which knows every variant's positions
    if name not in (POSITIONS, "pos_embed"):
        return given == expected
    if len(given) != 3 or (given[0], given[2]) != (expected[0], expected[2]):
        return False
    return given[1] > 0 and (_square(given[1]) or _square(given[1] - 1))


def _some(checkpoint: Checkpoint, names: Mapping[str, str]) -> str:
    said = sorted({checkpoint.in_file(name) + remark for name, remark in names.items()})  # stacked layers: once
    return ", ".join(said[:SHOWN]) + (f" and {len(said) - SHOWN} more" if len(said) > SHOWN else "")

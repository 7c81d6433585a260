"""Load and save weights in the layouts of the official codes, of timm and our own: ViTs, hybrids and ResNets.

    module = build(zoo_model("ViT-B/16"), 21843, resolution=224)
    load_weights(module, "gs://vit_models/imagenet21k/ViT-B_16.npz", head="reset")

Nothing is unpickled. A file does not say how many heads a ViT has, how it pools, or how wide a GroupNorm's groups are:
the module says that. timm's ViTs use the exact GELU where the official code and ours use its tanh approximation.
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

from scaling.checkpoints.files import (
    MOST_CLASSES,
    Checkpoint,
    most_bytes,
    old_name,
    parse_arrays,
    read_arrays,
    write_arrays,
)
from scaling.checkpoints.names import HEADS, POSITIONS, Layout, export_weights, layout_entries
from scaling.checkpoints.whole import check_file
from scaling.checks import check
from scaling.models import check_finite_weights, load_pretrained

Head = Literal["keep", "reset", "drop"]  # in this order they leave out none, one and two parts of the file's head
NAMES_SHOWN = 3  # of each kind of mismatch, in an error line


def load_weights(
    module: nn.Module, source: str | Path | Mapping[str, Any], *, head: Head = "keep", label: str = "the mapping"
) -> None:
    """Load weights into a module. The layout is recognised from the names; positions are resized to the module's grid.

    Args:
        module: a model of `scaling.models.build`.
        source: path or URI (of any kind that fsspec has a driver for) of a `.npz` or `.safetensors` file, or a mapping
            from names to arrays or tensors.
        head: 'keep' loads the whole head, which must fit; 'reset' loads the hidden layer of the pre-training head and
            sets the classifier to zero; 'drop' leaves the module's head as it is (§B.1.1).
        label: what messages call a mapping.

    Raises ValueError, and changes nothing, when the source cannot be read, or a parameter is missing, left over, of
    another shape, or holds NaN or infinite values; it names the parameter as the file does.
    """
    check(head in get_args(Head), f"head must be one of {', '.join(get_args(Head))}, got {head!r}")
    if isinstance(source, Mapping):
        checkpoint = parse_arrays(source, label)
    else:
        check_file(source)
        checkpoint = parse_arrays(read_arrays(source, _most_bytes(module)), str(source))
    parts_out = get_args(Head).index(head)
    # The parts are listed with the classifier first, so the first 0, 1 or 2 of them are left out.
    theirs_out, ours_out = HEADS[checkpoint.layout][:parts_out], HEADS["ours"][:parts_out]
    given = {name: tensor for name, tensor in checkpoint.tensors.items() if not name.startswith(theirs_out)}
    table = [entry for entry in layout_entries(module, checkpoint.layout) if not entry.ours.startswith(ours_out)]
    own = module.state_dict()
    # What the file must hold for this module: shapes alone, so the weights are not copied.
    _check_fit(checkpoint, given, export_weights({name: value.to("meta") for name, value in own.items()}, table))

    state = {e.ours: torch.cat([e.form.read(given[name]) for name in e.theirs]).to(own[e.ours]) for e in table}
    # As they are used: a value of float64 may be beyond float32.
    in_file = {" and ".join(map(checkpoint.in_file, e.theirs)): state[e.ours] for e in table}
    check_finite_weights(in_file, checkpoint.label)
    load_pretrained(module, {**own, **_with_class_row(state)})  # all but the classifier
    with torch.no_grad():
        for name in ("head.weight", "head.bias"):
            if head != "drop":
                own[name].copy_(state[name] if head == "keep" else torch.zeros_like(own[name]))


def _most_bytes(module: nn.Module) -> int:
    head = getattr(module, "head", None)
    classifier = head.in_features * MOST_CLASSES if isinstance(head, nn.Linear) else 0
    return most_bytes(classifier + sum(parameter.numel() for parameter in module.parameters()))


def save_npz(module: nn.Module, path: str | Path, *, old_names: bool = False) -> None:
    """Write a `.npz` of the official code for such a model, in float32.

    The layout is big_transfer's for pre-activation ResNets and vision_transformer's for all others. `old_names` numbers
    the layers of a block as the first released files do (MlpBlock_3 for today's MlpBlock_0): the official code reads
    both, timm's `load_pretrained` and many others read only the old names.
    Raises ValueError when the layout cannot hold the module, or the path or URI cannot be written or does not end in
    `.npz`.
    """
    state = module.state_dict()
    layout: Layout = "big_transfer" if "backbone.gn_out.weight" in state else "vision_transformer"
    arrays: dict[str, Any] = {
        old_name(name) if old_names else name: value.float().numpy()
        for name, value in export_weights(state, layout_entries(module, layout)).items()
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
    write_arrays(path, safetensors.torch.save(export_weights(state, layout_entries(module, layout))), ".safetensors")


def _with_class_row(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with a position of zeros for the class token, in files whose model adds it after the positions.

    Such a table has a square number of rows. With the class token's own row it has one more, which is no square.
    """
    table = state.get("pos_embed")
    if table is None or "cls_token" not in state or not _is_square(table.shape[1]):
        return state
    return {**state, "pos_embed": torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)}


def _is_square(count: int) -> bool:
    return isqrt(count) ** 2 == count


def _check_fit(checkpoint: Checkpoint, given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the parameters are those that the module expects, in their shapes."""
    shapes = {
        name: f" {list(given[name].shape)} instead of {list(expected[name].shape)}"
        for name in given.keys() & expected.keys()
        if not _fits(checkpoint.layout, name, given[name].shape, expected[name].shape)
    }
    mismatches = {
        "missing": dict.fromkeys(expected.keys() - given.keys(), ""),
        "left over": dict.fromkeys(given.keys() - expected.keys(), ""),
        "wrong shape": shapes,
    }
    problems = [f"{kind}: {_some(checkpoint, names)}" for kind, names in mismatches.items() if names]
    wrong = [name for names in mismatches.values() for name in names]
    if wrong:
        heads = all(name.startswith(HEADS[checkpoint.layout]) for name in wrong)
        hint = "; head='reset' leaves out the classifier, head='drop' the whole head" if heads else ""
        raise ValueError(f"{checkpoint.label} does not fit the model: {'; '.join(problems)}{hint}")


def _fits(layout: Layout, name: str, given: torch.Size, expected: torch.Size) -> bool:
    """Whether a parameter has its shape, or is a position table that can be resized: of a square of patches."""
    if layout == "ours" and not name.startswith("head."):
        return True  # `load_pretrained` decides, which knows the positions of every variant
    if name not in (POSITIONS, "pos_embed"):
        return given == expected
    if len(given) != 3 or (given[0], given[2]) != (expected[0], expected[2]):
        return False
    return given[1] > 0 and (_is_square(given[1]) or _is_square(given[1] - 1))


def _some(checkpoint: Checkpoint, remarks: Mapping[str, str]) -> str:
    """The first few parameters by their names in the file, each with its remark, and how many more there are."""
    lines = sorted({checkpoint.in_file(name) + remark for name, remark in remarks.items()})  # stacked layers: once
    more = len(lines) - NAMES_SHOWN
    return ", ".join(lines[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")

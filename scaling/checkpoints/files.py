"""Files of weights: arrays read from and written to paths and URIs, and the names in old files brought up to date."""

import io
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from scaling.checkpoints.names import POSITIONS, TIMM_VARIANTS, Layout
from scaling.checks import check, check_regular

MOST_CLASSES = 2**15  # of a classifier that is left out: ImageNet-21k's 21,843 and JFT's 18,291 are below it
TRAINING = 4  # times as many bytes as the weights have: of a file with the state of its training
SPARE = 2**26  # bytes beside the parameters: names, shapes, tables of positions for larger images
LARGEST = 2**35  # bytes of a file of any model
UNPACKED = 20  # times the size that the weights of a .npz have in it, at most: they hardly shrink

# --- bytes -------------------------------------------------------------------------------------------------------


def read_arrays(source: str | Path, most: int | None = None) -> dict[str, Any]:
    """Arrays or tensors by name, from a `.npz` or `.safetensors` file at a path or URI; nothing is unpickled.

    From a `.npz` with the state of a training only the parameters are read. `most`: their bytes, at most, as the file
    declares them, compared before they are read: `most_bytes` of the model where it is known. Raises ValueError when
    there is no such file, it cannot be read, has more, or unpacks to what no weights do.
    """
    text = str(source).removeprefix("file://")
    reader = READERS.get(suffix_of(text))
    if reader is None:
        raise ValueError(
            f"{text} is neither .npz nor .safetensors; a pickle (.pth, .bin, .pt) can run code and is not opened: "
            "convert it where you trust it, or load it yourself and pass the mapping"
        )
    with errors_in_one_line(text, "read"):
        if "://" not in text:
            path = Path(text).expanduser()
            check_regular(path)
            _check_size(path.stat().st_size, most)
            return reader(path, most)
        with fsspec.open(text, "rb") as file:
            _check_size(getattr(file, "size", None) or 0, most)
            return reader(io.BytesIO(file.read()), most)


def most_bytes(parameters: int) -> int:
    """The most bytes that a file of so many parameters may have: in 64 bits. A classifier of MOST_CLASSES counts."""
    return 8 * parameters + SPARE


def _check_size(size: int, most: int | None, times: int = TRAINING) -> None:
    limit = LARGEST if most is None else times * most
    check(size <= limit, f"it has {size:,} bytes of weights, where the model has {limit:,} at most: of another model?")


def _read_npz(file: Path | io.BytesIO, most: int | None) -> dict[str, np.ndarray]:
    with file.open("rb") if isinstance(file, Path) else file as stream:
        arrays = np.load(stream, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile) or arrays.zip is None:
            raise ValueError("it must hold named arrays, and holds a single one without a name")
        prefix = parameters_prefix(arrays.files)
        wanted = [name for name in arrays.files if name.startswith(prefix)]
        members = {info.filename.removesuffix(".npy"): info for info in arrays.zip.infolist()}
        # A small file may unpack to more than the memory.
        size, packed = (sum(getattr(members[name], of) for name in wanted) for of in ("file_size", "compress_size"))
        _check_size(size, most, times=1)
        check(size <= max(SPARE, UNPACKED * packed), f"its {packed:,} bytes unpack to {size:,}: no weights do that")
        return {name: arrays[name] for name in wanted}


def _read_safetensors(file: Path | io.BytesIO, most: int | None) -> dict[str, Tensor]:
    return safetensors.torch.load_file(file) if isinstance(file, Path) else safetensors.torch.load(file.getvalue())


READERS: dict[str, Callable[[Path | io.BytesIO, int | None], dict[str, Any]]] = {
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}


def write_arrays(path: str | Path, content: bytes, suffix: str) -> None:
    """Write a whole file at a path or URI, or nothing. Raises ValueError when that fails or the suffix is another."""
    text = str(path)
    if suffix_of(text) != suffix:
        raise ValueError(f"the file must be called {suffix}, got {text}: end its name in {suffix}")
    with errors_in_one_line(text, "written"):
        if "://" in text:
            with fsspec.open(text, "wb") as file:
                file.write(content)
            return
        target = Path(text).expanduser()
        target.parent.mkdir(parents=True, exist_ok=True)
        # Written beside its place and renamed: a process that dies leaves the old file or none, never half of one.
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


def suffix_of(text: str) -> str:
    return PurePosixPath(text.split("?")[0] if "://" in text else text).suffix


@contextmanager
def errors_in_one_line(text: str, done: str) -> Iterator[None]:
    """Turn every error into a ValueError of one line that names the file.

    Drivers and parsers each have errors of their own; all of them mean that this file cannot be read or written.
    """
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"there is no file {text}") from None
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or error.name
        raise ValueError(f"{text} needs the package {package}: pip install {package}") from None
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"{text} cannot be {done}: {reason}") from error


# --- names -------------------------------------------------------------------------------------------------------

PREFIXES = ("params/", "opt/target/", "target/")  # of the parameters in files that hold the state of a training
# How names of each layout begin. The order counts: timm's 'patch_embed.proj.' begins like our 'patch_embed.'.
_BEGINNINGS: dict[Layout, tuple[str, ...]] = {
    "vision_transformer": ("Transformer/", "embedding/", "conv_root/", "gn_root/", "block1/"),
    "big_transfer": ("resnet/",),
    "timm": ("patch_embed.proj.", "patch_embed.backbone.", "stem.conv.", "stages."),
    "ours": ("patch_embed.", "stem.", "backbone."),
}


@dataclass(frozen=True)
class Checkpoint:
    """The parameters of a file under the current names of its layout."""

    label: str  # the file's name in messages
    layout: Layout
    tensors: Mapping[str, Tensor]  # by current name
    original: Mapping[str, str]  # current name to the name in the file
    prefix: str  # before every name in the file

    def in_file(self, name: str) -> str:
        """The name that the file has for a parameter, or would have if it held it."""
        return self.original.get(name, self.prefix + name)


def parse_arrays(arrays: Mapping[str, Any], label: str) -> Checkpoint:
    """A file's arrays as tensors under the current names of their layout. `label` is the file's name in messages.

    Raises ValueError when the names are of no layout, when two of them mean one parameter, or when an array does not
    hold floating-point numbers.
    """
    prefix = parameters_prefix(arrays)
    stripped = {name.removeprefix(prefix): name for name in arrays if name.startswith(prefix)}
    layout = _recognise_layout(stripped, label)
    tensors: dict[str, Tensor] = {}
    original: dict[str, str] = {}
    for short, name in stripped.items():
        for current, tensor in _current_names(short, _tensor(arrays[name], name, label), layout):
            if current in tensors:
                raise ValueError(f"{label} has one parameter twice: {original[current]} and {name}")
            tensors[current], original[current] = tensor, name
    return Checkpoint(label, layout, tensors, original, prefix)


def parameters_prefix(names: Iterable[str]) -> str:
    return next((prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in names)), "")


def _recognise_layout(names: Iterable[str], label: str) -> Layout:
    for layout, starts in _BEGINNINGS.items():
        if any(name.startswith(starts) for name in names):
            _refuse_timm_variant(names, label)
            return layout
    some = ", ".join(list(names)[:3]) or "none"
    raise ValueError(f"{label} has names of no layout known here ({', '.join(_BEGINNINGS)}), such as {some}")


def _refuse_timm_variant(names: Iterable[str], label: str) -> None:
    for name in names:
        for part, meaning in TIMM_VARIANTS.items():
            if part in name:
                raise ValueError(f"{label} is of a timm model that has no equal here: {name} is {meaning}")


def _tensor(array: Any, name: str, label: str) -> Tensor:
    """An array as a tensor. NumPy has no bfloat16: files store its bits as two bytes of void, or as uint16."""
    if not isinstance(array, Tensor):
        array = np.asarray(array)
        if array.dtype.itemsize == 2 and array.dtype.kind in "Vu":
            return torch.from_numpy(np.require(array, requirements=["C", "W"]).view(np.int16)).view(torch.bfloat16)
        if array.dtype.kind == "f":
            native = array.dtype.newbyteorder("=")  # torch reads no other byte order
            array = torch.from_numpy(np.require(array, native, requirements=["C", "W"]))
    if not isinstance(array, Tensor) or not array.is_floating_point():
        raise ValueError(f"{label} has no weights in {name}: its type is {array.dtype}")
    return array


def _current_names(name: str, tensor: Tensor, layout: Layout) -> Iterator[tuple[str, Tensor]]:
    """The parameters that a file of any age has under `name`, with their current names and in their current shapes."""
    if layout == "big_transfer":  # some files number the convolutions
        yield re.sub(r"/standardized_conv2d_\d+/", "/standardized_conv2d/", name), tensor
    elif layout != "vision_transformer":
        yield name, tensor
    elif name.startswith("Transformer/encoderblock/") and tensor.ndim:  # big_vision's scan stacks the layers
        for layer, part in enumerate(tensor):
            yield _current_name(name.replace("encoderblock", f"encoderblock_{layer}", 1)), part
    elif name in ("pos_embedding", "Transformer/pos_embedding"):  # names in new and old big_vision
        yield POSITIONS, tensor
    elif re.search(r"(^|/)gn(\d|_root|_proj)/", name) and tensor.shape[:-1] == (1, 1, 1):  # before flax 0.3.6
        yield name, tensor.flatten()
    else:
        yield _current_name(name), tensor


OLD_NAMES = {  # flax once numbered the layers of a block in one sequence, whatever their kinds
    "MultiHeadDotProductAttention_1": "MultiHeadDotProductAttention_0",
    "LayerNorm_2": "LayerNorm_1",
    "MlpBlock_3": "MlpBlock_0",
}


def _current_name(name: str) -> str:
    """A name with the numbers that flax gives the layers of a block today."""
    return "/".join(OLD_NAMES.get(part, part) for part in name.split("/"))


def old_name(name: str) -> str:
    """A name with the numbers of the first released files."""
    new_names = {new: old for old, new in OLD_NAMES.items()}
    return "/".join(new_names.get(part, part) for part in name.split("/"))

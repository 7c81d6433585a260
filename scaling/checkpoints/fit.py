"""Whether weights fit the model that they are said to be of, from a file's header alone, before anything starts."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import fsspec
import numpy as np
import torch
from torch import Tensor

from scaling.checkpoints.files import errors_in_one_line, parameters_prefix, suffix_of
from scaling.checkpoints.formats import load_weights
from scaling.checks import check, check_regular
from scaling.models import load_pretrained, outline
from scaling.specs import Released, Upstream, whole_patches, without_representation
from scaling.store import Storage

LARGEST_HEADER = 100 * 2**20  # bytes: what safetensors itself takes at most
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def check_upstream(upstream: Upstream, checkpoint: str | None, resolution: int) -> None:
    """Raise ValueError, naming a tensor, when an upstream's weights do not fit its model at these pixels a side.

    `checkpoint` as for `load_upstream`. Names and shapes are read, no weights.
    """
    if not isinstance(upstream, Released) and checkpoint is None:
        return
    model = without_representation(upstream.model)
    module = outline(model, 1, resolution=whole_patches(model, resolution))
    if isinstance(upstream, Released):
        load_weights(module, weight_shapes(upstream.source), head="drop", label=upstream.source)
    else:
        path = Storage.of(str(checkpoint)).path("model.safetensors")
        shapes = weight_shapes(path)
        try:
            load_pretrained(module, shapes)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def weight_shapes(source: str) -> dict[str, Tensor]:
    """The tensors of a `.npz` or `.safetensors` file without their values, on the meta device, by name.

    Raises ValueError when the file cannot be read or is cut off.
    """
    text = source.removeprefix("file://")
    read = {".npz": _npz, ".safetensors": _safetensors}.get(suffix_of(text))
    check(read is not None, f"{text} is neither .npz nor .safetensors")
    assert read is not None
    with errors_in_one_line(text, "read"):
        return _opened(text, read)


def _opened(text: str, read: Callable[[IO[bytes], int], dict[str, Tensor]]) -> dict[str, Tensor]:
    if "://" not in text:
        path = Path(text).expanduser()
        check_regular(path)
        with path.open("rb") as file:
            return read(file, path.stat().st_size)
    place, _, name = text.partition("?")[0].rpartition("/")
    settings = text.partition("?")[1] + text.partition("?")[2]
    if not place.startswith("http"):
        filesystem, root = Storage.of(place + settings).filesystem()
        with filesystem.open_input_file(str(root / name)) as file:
            return read(file, file.size())
    with fsspec.open(text, "rb") as file:
        return read(file, int(file.size or 0))


def _safetensors(file: IO[bytes], size: int) -> dict[str, Tensor]:
    length = int.from_bytes(file.read(8), "little")
    check(length <= min(LARGEST_HEADER, size), "its header is longer than the file: it is cut off or no safetensors")
    entries: dict[str, Any] = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    end = 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    check(end <= size or not size, f"it has {size:,} bytes and should have {end:,}: it is cut off")
    return {name: _shape(entry["shape"], FLOATS.get(entry["dtype"], torch.int64)) for name, entry in entries.items()}


def _npz(file: IO[bytes], _size: int) -> dict[str, Tensor]:
    with zipfile.ZipFile(file) as archive:
        names = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        prefix = parameters_prefix(names)
        return {short: _npy(archive, name) for short, name in names.items() if short.startswith(prefix)}


def _npy(archive: zipfile.ZipFile, name: str) -> Tensor:
    with archive.open(name) as array:
        version = np.lib.format.read_magic(array)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(array)
    half = torch.bfloat16 if dtype.kind in "Vu" else torch.float16  # NumPy has no bfloat16
    kinds = {2: half, 4: torch.float32, 8: torch.float64}
    return _shape(shape, kinds.get(dtype.itemsize, torch.int64) if dtype.kind in "fVu" else torch.int64)


def _shape(shape: Any, dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype, device="meta")

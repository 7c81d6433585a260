"""Labelled images in Parquet files: finding, checking, reading and writing them. Nothing is decoded here.

The layout is that of image sets on the Hugging Face hub, `image: struct<bytes: binary, path: string>` and an integer
`label`; the image may be a plain binary column too. Class names are read from the schema's metadata.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from scaling.data.uris import Parquet
from scaling.storage import Storage

IMAGE_NAMES = ("image", "img")
LABEL_NAMES = ("label",)
WAY_OUT = "give a file, a directory of *.parquet files or a glob"


@dataclass(frozen=True)
class File:
    """One Parquet file: its name for messages, its size in bytes and how to open it."""

    name: str
    size: int
    open: Callable[[], pa.NativeFile]


@dataclass(frozen=True)
class Facts:
    """What is known of a split without its images. `classes` counts the names, or else the labels up to the highest."""

    num_images: int
    num_classes: int
    highest_label: int
    fingerprint: str


@dataclass(frozen=True)
class Encoded:
    """The encoded images of a split, as Arrow holds them. `origins`: file and row of each chunk's first image."""

    chunks: tuple[pa.Array, ...]
    starts: np.ndarray
    origins: tuple[tuple[str, int], ...]

    def __getitem__(self, index: int) -> bytes | None:
        chunk = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.chunks[chunk][int(index - self.starts[chunk])].as_py()

    def where(self, index: int) -> str:
        """File and row of an image, for messages."""
        chunk = int(np.searchsorted(self.starts, index, side="right")) - 1
        name, row = self.origins[chunk]
        return f"row {row + int(index - self.starts[chunk])} of {name}"


def find(source: Parquet) -> list[File]:
    """The files of a source, sorted by path. Raises ValueError when there are none."""
    filesystem, root = Storage.of(source.path).filesystem()
    try:
        found = _matches(filesystem, root)
    except OSError as error:
        raise ValueError(f"cannot read {source.path}: {' '.join(str(error).split())}") from None
    if not found:
        raise ValueError(f"no Parquet file at {source.path}: {WAY_OUT}")

    def file(info: fs.FileInfo) -> File:
        return File(info.path, info.size, lambda: filesystem.open_input_file(info.path))

    return [file(info) for info in sorted(found, key=lambda info: info.path)]


def _matches(filesystem: fs.FileSystem, root: PurePosixPath) -> list[fs.FileInfo]:
    info = filesystem.get_file_info(str(root))
    if info.type == fs.FileType.File:
        return [info]
    fixed = root
    while any(set(part) & set("*?[") for part in fixed.parts) and info.type == fs.FileType.NotFound:
        fixed = fixed.parent
    pattern = root if fixed != root else root / "*.parquet"
    depth = len(pattern.parts) - len(fixed.parts)
    inside = filesystem.get_file_info(fs.FileSelector(str(fixed), allow_not_found=True, recursive=depth > 1))
    return [i for i in inside if i.type == fs.FileType.File and _match(PurePosixPath(i.path), pattern)]


def _match(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    return len(path.parts) == len(pattern.parts) and all(map(fnmatch, path.parts, pattern.parts))


def facts(source: Parquet) -> Facts:
    """Counts and content of a split from its footers and labels. Raises ValueError when they cannot be read.

    The fingerprint hashes the labels, the names of the columns and the sizes of the files: neither where they lie nor
    when they were written.
    """
    files = find(source)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda file: _labels(file, source), files))
    labels = np.concatenate([part for part, _ in parts])
    schema = parts[0][1]
    digest = hashlib.sha256(json.dumps([len(labels), schema.names, [file.size for file in files]]).encode())
    digest.update(labels.astype("<i8").tobytes())
    highest = int(labels.max(initial=-1))
    names = class_names(schema, _column(schema, source.label, LABEL_NAMES, files[0]))
    return Facts(len(labels), len(names) if names else highest + 1, highest, digest.hexdigest()[:16])


def read(files: Sequence[File], source: Parquet) -> tuple[np.ndarray, list[str] | None, Encoded]:
    """Labels int64 [N], class names and encoded images of a split. Raises ValueError when they cannot be read."""
    labels, chunks, origins = [], [], []
    for file in files:
        with _open(file) as reader:
            label, schema = _label(reader, file, source), reader.schema_arrow
            image = _image_column(schema, source, file)
            names, row = class_names(schema, label), 0
            for batch in _batches(reader, [image, label], file):
                labels.append(_integers(batch, label, file))
                leaf = batch.column(0) if "." not in image else pc.struct_field(batch.column(0), [0])
                chunks.append(leaf)
                origins.append((file.name, row))
                row += len(batch)
    if not chunks:
        raise ValueError(f"no images in {source.path}")
    starts = np.cumsum([0] + [len(chunk) for chunk in chunks[:-1]])
    return np.concatenate(labels), names, Encoded(tuple(chunks), starts, tuple(origins))


def encode(images: Sequence[bytes], labels: np.ndarray, classes: Sequence[str]) -> bytes:
    """A Parquet file in the Hugging Face layout, class names included."""
    struct = pa.StructArray.from_arrays(
        [pa.array(images, pa.binary()), pa.array([f"{i:06d}.png" for i in range(len(images))])], ["bytes", "path"]
    )
    features = {"image": {"_type": "Image"}, "label": {"names": list(classes), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"image": struct, "label": pa.array(labels, pa.int64())}).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=1000, compression="zstd")
    return sink.getvalue().to_pybytes()


def class_names(schema: pa.Schema, label: str) -> list[str] | None:
    """Names from the metadata: Hugging Face's features, or a JSON list under `classes`; None without either."""
    metadata = schema.metadata or {}
    try:
        if b"classes" in metadata:
            return [str(name) for name in json.loads(metadata[b"classes"])]
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        names = features.get(label, {}).get("names")
        return [str(name) for name in names] if names else None
    except (ValueError, AttributeError, TypeError):  # metadata of another kind
        return None


def _open(file: File) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file.open())
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file.name} is not a Parquet file: {' '.join(str(error).split())}") from None


def _batches(reader: pq.ParquetFile, columns: list[str], file: File) -> list[pa.RecordBatch]:
    try:  # in batches, since one array of Arrow's binary type holds 2 GiB at most
        return [batch for batch in reader.iter_batches(1000, columns=columns) if len(batch)]
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from None


def _labels(file: File, source: Parquet) -> tuple[np.ndarray, pa.Schema]:
    with _open(file) as reader:
        label = _label(reader, file, source)
        _image_column(reader.schema_arrow, source, file)
        parts = [_integers(batch, label, file) for batch in _batches(reader, [label], file)]
        return np.concatenate([np.empty(0, np.int64), *parts]), reader.schema_arrow


def _label(reader: pq.ParquetFile, file: File, source: Parquet) -> str:
    label = _column(reader.schema_arrow, source.label, LABEL_NAMES, file)
    kind = reader.schema_arrow.field(label).type
    if not pa.types.is_integer(kind):
        raise ValueError(f"column {label!r} of {file.name} must hold whole numbers, is {kind}")
    return label


def _image_column(schema: pa.Schema, source: Parquet, file: File) -> str:
    """The path of the column of encoded bytes."""
    name = _column(schema, source.image, IMAGE_NAMES, file)
    kind = schema.field(name).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{name}.bytes"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return name
    raise ValueError(f"column {name!r} of {file.name} must be binary or a struct with 'bytes', is {kind}")


def _column(schema: pa.Schema, asked: str | None, usual: tuple[str, ...], file: File) -> str:
    for name in (asked,) if asked else usual:
        if name in schema.names:
            return name
    what = usual[0]
    raise ValueError(
        f"no column {asked or ' or '.join(usual)!r} in {file.name}: name it in the URI, ?{what}=COLUMN, "
        f"one of {', '.join(schema.names)}"
    )


def _integers(batch: pa.RecordBatch, label: str, file: File) -> np.ndarray:
    column = batch.column(batch.schema.get_field_index(label))
    values = np.empty(0, np.int64) if column.null_count else np.from_dlpack(column.cast(pa.int64()))
    if column.null_count or (len(values) and values.min() < 0):
        raise ValueError(f"column {label!r} of {file.name} has images without a label (null or negative)")
    return values


def buffer(name: str, content: bytes) -> File:
    """A file in memory."""
    return File(name, len(content), lambda: pa.BufferReader(content))

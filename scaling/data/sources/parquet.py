"""Reading labelled images from Parquet files. No image is decoded here.

The layout is that of image sets on the Hugging Face hub, `image: struct<bytes: binary, path: string>` and an integer
`label` (a list of integers for several labels); the image may be a plain binary column too. Class names are read from
the schema's metadata. A row group is read when its first image is asked for, and kept in memory up to MEMORY_BYTES.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scaling.data.sources.classes import aligned, check_one_split
from scaling.data.sources.filesystem import OPEN_FILES, File, Recent, find, one_line
from scaling.data.sources.labels import multi_labels
from scaling.data.sources.listing import LeftOut
from scaling.data.sources.split import Split
from scaling.data.uris import Parquet

IMAGE_NAMES = ("image", "img")
LABEL_NAMES = ("label",)
MEMORY_BYTES = 2 << 30  # encoded images that stay in memory; of larger sets, the row groups that were used last
UNREADABLE = (OSError, pa.ArrowException)


@dataclass(frozen=True, eq=False)
class Rows:
    """The encoded images of Parquet files. The arrays have one entry per row group."""

    files: tuple[File, ...]
    columns: tuple[str, ...]  # path of each file's column of encoded bytes
    group_sizes: np.ndarray  # int64, number of images
    group_files: np.ndarray  # int64, index of the file in `files`
    group_numbers: np.ndarray  # int64, number of the row group in its file
    groups: Recent[pa.ChunkedArray] = field(default_factory=lambda: Recent(MEMORY_BYTES))
    readers: Recent[pq.ParquetFile] = field(default_factory=lambda: Recent(OPEN_FILES))

    def __getitem__(self, index: int) -> bytes | None:
        group, row = self._find(index)
        content: bytes | None = self.group(group)[row].as_py()
        return content

    def group(self, number: int) -> pa.ChunkedArray:
        """The images of a row group, of the binary columns' types."""
        return self.groups.get(number, lambda: self._load(number))

    def name(self, index: int) -> str:
        """The image's `path` if there are paths and no two are the same, else its row number in all files."""
        if self._paths is None:
            return str(index)
        path: bytes = self._paths[index].as_py()
        return path.decode("utf-8", "surrogateescape")

    def where(self, index: int) -> str:
        group, row = self._find(index)
        before = self.group_sizes[group - self.group_numbers[group] : group].sum()
        return f"row {before + row} of {self.files[self.group_files[group]].name}"

    @property
    def shards(self) -> np.ndarray:
        return np.bincount(self.group_files, self.group_sizes).astype(np.int64)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.group_sizes)[:-1]])

    def _find(self, index: int) -> tuple[int, int]:
        # From the right: an empty row group starts where the next one does.
        group = int(np.searchsorted(self._starts, index, side="right")) - 1
        return group, index - int(self._starts[group])

    def _load(self, group: int) -> tuple[pa.ChunkedArray, int]:
        which = int(self.group_files[group])
        file = self.files[which]
        try:
            reader = self.readers.get(which, lambda: (pq.ParquetFile(file.open()), 1))
            images = reader.read_row_group(int(self.group_numbers[group]), columns=[self.columns[which]]).column(0)
        except UNREADABLE as error:
            raise ValueError(f"{file.name} cannot be read: {one_line(error)}") from None
        if pa.types.is_struct(images.type):
            images = pc.struct_field(images, [0])
        return images, images.nbytes

    @cached_property
    def _paths(self) -> pa.ChunkedArray | None:
        parts = []
        for file, image in zip(self.files, self.columns, strict=True):
            if not image.endswith(".bytes"):
                return None
            column = image.removesuffix("bytes") + "path"
            with _open(file) as reader:
                if column not in [reader.schema.column(i).path for i in range(len(reader.schema))]:
                    return None
                batches = _batches(reader, [column], file)
                # As bytes: what another program has written as text need not be UTF-8.
                parts += [pc.struct_field(batch.column(0), [0]).cast(pa.binary()) for batch in batches]
        paths = pa.chunked_array(parts, pa.binary())
        return paths if pc.count_distinct(paths, mode="all").as_py() == len(paths) and not paths.null_count else None


def read(source: Parquet) -> Split:
    """The split in the files of a source. Raises ValueError when there are none, or they cannot be read."""
    left = LeftOut()
    files = find(source.path, "*.parquet", "Parquet file", left)
    check_one_split([file.name for file in files], str(source))
    split = read_files(files, source)
    return replace(split, notes=(*split.notes, *left.notes(source)))


def read_files(files: Sequence[File], source: Parquet) -> Split:
    """The split in files: footers and labels are read here, images when they are used.

    Each file has a schema of its own. Their class names may be in different orders: labels are numbers of the longest
    list of names. Raises ValueError, naming the file, for classes that are not in that list.
    """
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda file: _file_labels(file, source), files))
    names = max((part.classes for part in parts), key=lambda some: len(some or ()))  # the first of the longest
    values = np.concatenate([_numbered(part, names, file) for part, file in zip(parts, files, strict=True)])
    several = any(part.counts is not None for part in parts)
    counts = [np.ones_like(part.values) if part.counts is None else part.counts for part in parts]
    sizes = [part.group_sizes for part in parts]
    encoded = Rows(
        tuple(files),
        tuple(part.image for part in parts),
        np.concatenate(sizes),
        np.repeat(np.arange(len(files)), [len(some) for some in sizes]),
        np.concatenate([np.arange(len(some)) for some in sizes]),
    )
    return Split(multi_labels(values, np.concatenate(counts), names) if several else values, names, encoded)


def class_names(schema: pa.Schema, label: str) -> list[str] | None:
    """Class names from the metadata: Hugging Face's features, or a JSON list under `classes`; None without either."""
    metadata = schema.metadata or {}
    try:
        if b"classes" in metadata:
            return [str(name) for name in json.loads(metadata[b"classes"])]
        feature = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {}).get(label, {})
        while "names" not in feature:  # of a list of labels, in the library's old and new forms
            feature = feature[0] if isinstance(feature, list) else feature["feature"]
        names = feature["names"]
        return [str(name) for name in names] if names else None
    except (ValueError, AttributeError, TypeError, LookupError):  # no names, or metadata of another origin
        return None


@dataclass(frozen=True, eq=False)
class _FileLabels:
    values: np.ndarray  # int64, the labels of all images
    counts: np.ndarray | None  # int64, number of labels of each image; None: one each
    classes: list[str] | None
    image: str
    group_sizes: np.ndarray


def _file_labels(file: File, source: Parquet) -> _FileLabels:
    with _open(file) as reader:
        schema, metadata = reader.schema_arrow, reader.metadata
        label, image = _label(schema, source, file), _image_column(schema, source, file)
        batches = _batches(reader, [label], file)
        parts = [label_numbers(batch.column(0), f"column {label!r} of {file.name}") for batch in batches]
        sizes = np.array([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)], np.int64)
    nothing = np.empty(0, np.int64)
    counts = [count for _, count in parts if count is not None]
    several = pa.types.is_list(schema.field(label).type) or pa.types.is_large_list(schema.field(label).type)
    values = np.concatenate([nothing, *(value for value, _ in parts)])
    names = class_names(schema, label)
    return _FileLabels(values, np.concatenate([nothing, *counts]) if several else None, names, image, sizes)


def _numbered(part: _FileLabels, names: list[str] | None, file: File) -> np.ndarray:
    """The labels of a file as numbers of the class names `names`."""
    try:
        values = aligned(part.values, part.classes, names, f"the classes of {file.name},", "classes of its other files")
    except ValueError as error:
        raise ValueError(f"{error}: the files of one split need the same class names") from None
    assert isinstance(values, np.ndarray)
    return values


def label_numbers(column: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Class numbers in a column of integers or of lists of integers, and, for lists, how many each row has.

    Raises ValueError, calling the column `name`, for rows without a label (null, or a negative number).
    """
    counts, values, null = None, column, column.null_count > 0
    if not null and not pa.types.is_integer(column.type):
        counts, values = whole_numbers(pc.list_value_length(column)), pc.list_flatten(column)
        null = values.null_count > 0
    try:
        numbers = np.empty(0, np.int64) if null else whole_numbers(values)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{name} must hold class numbers: {one_line(error)}") from None
    if null or (len(numbers) and numbers.min() < 0):
        raise ValueError(f"{name} has images without a label (null or negative)")
    return numbers, counts


def whole_numbers(column: pa.Array) -> np.ndarray:
    """A column of integers without nulls as int64 [n]."""
    return np.from_dlpack(column.cast(pa.int64()))  # Arrow's own conversion imports pandas where it is installed


def _open(file: File) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file.open())
    except UNREADABLE as error:
        raise ValueError(f"{file.name} is not a Parquet file: {one_line(error)}") from None


def _batches(reader: pq.ParquetFile, columns: list[str], file: File) -> list[pa.RecordBatch]:
    try:  # in batches, since one array of Arrow's binary type holds at most 2 GiB
        return [batch for batch in reader.iter_batches(1 << 16, columns=columns) if len(batch)]
    except UNREADABLE as error:
        raise ValueError(f"{file.name} cannot be read: {one_line(error)}") from None


def _label(schema: pa.Schema, source: Parquet, file: File) -> str:
    label = _column(schema, source.label, LABEL_NAMES, file)
    kind = schema.field(label).type
    item = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    if not pa.types.is_integer(item):
        raise ValueError(f"column {label!r} of {file.name} must hold integers, is {kind}")
    return label


def _image_column(schema: pa.Schema, source: Parquet, file: File) -> str:
    """Path of the column of encoded bytes."""
    name = _column(schema, source.image, IMAGE_NAMES, file)
    kind = schema.field(name).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{name}.bytes"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return name
    raise ValueError(f"column {name!r} of {file.name} must be binary or a struct with 'bytes', is {kind}")


def _column(schema: pa.Schema, asked: str | None, usual: tuple[str, ...], file: File) -> str:
    for name in (asked,) if asked else usual:
        if schema.names.count(name) > 1:
            raise ValueError(f"{file.name} has the column {name!r} {schema.names.count(name)} times: give it one")
        if name in schema.names:
            return name
    raise ValueError(
        f"no column {asked or ' or '.join(usual)!r} in {file.name}: name it in the URI, ?{usual[0]}=COLUMN, "
        f"one of {', '.join(schema.names)}"
    )

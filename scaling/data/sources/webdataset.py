"""Images in tar shards, by webdataset's naming: the members of a sample follow one another and share their name up to
the first dot of its last part.

Each shard is scanned once for labels and the offsets of images; the scan is cached on disk, for other processes and
later runs. Images are read in place by their offsets: nothing is unpacked.
"""

import json
import math
import re
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from scaling.checks import check, printable
from scaling.data.sources.classes import check_one_split
from scaling.data.sources.disk_cache import Arrays, disk_cached
from scaling.data.sources.filesystem import MOST_BYTES, OPEN_FILES, File, Recent, find, one_line
from scaling.data.sources.labels import ragged
from scaling.data.sources.listing import LeftOut
from scaling.data.sources.lists import text_of
from scaling.data.sources.samples import LABEL_KEY, Sample, plain_name, samples
from scaling.data.sources.split import Split
from scaling.data.uris import WebDataset

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
BLOCK = 512  # bytes of a tar header
MOST_SHARDS = 1_000_000
CACHED_BYTES = 16 << 20  # size of a shard from which on its scan is cached
FORMAT = 2  # version of a cached scan


@dataclass(frozen=True, eq=False)
class Members:
    """The encoded images of tar shards: image i is the `sizes[i]` bytes at `offsets[i]` of its shard."""

    files: tuple[File, ...]
    shards: np.ndarray  # int64 [shards], number of images
    headers: np.ndarray  # int64 [N], where the headers of the image's member start
    offsets: np.ndarray  # int64 [N]
    sizes: np.ndarray  # int64 [N]
    handles: Recent[pa.NativeFile] = field(default_factory=lambda: Recent(OPEN_FILES))

    def __getitem__(self, index: int) -> bytes:
        size = int(self.sizes[index])
        most = f"where {MOST_BYTES:,} are the most that can be right"
        check(size <= MOST_BYTES, f"{self.where(index)} has {size:,} bytes, {most}")
        return self._bytes(index, int(self.offsets[index]), size)

    def name(self, index: int) -> str:
        """The shard's file name and the member's: 'train-0003.tar/cat/0017.jpg'."""
        return f"{PurePosixPath(self._file(index).name).name}/{self._member(index)}"

    def where(self, index: int) -> str:
        return printable(f"{self._member(index)} of {self._file(index).name}")

    def _member(self, index: int) -> str:
        """The member's name, from its headers: a long name takes several."""
        start, stop = int(self.headers[index]), int(self.offsets[index])
        with tarfile.open(fileobj=pa.BufferReader(self._bytes(index, start, stop - start)), mode="r:") as tar:
            info = tar.next()
        assert info is not None
        return plain_name(info.name)

    def _file(self, index: int) -> File:
        return self.files[self._shard(index)]

    def _shard(self, index: int) -> int:
        # From the right: an empty shard ends where the one before it does.
        return int(np.searchsorted(self._ends, index, side="right"))

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.shards)

    def _bytes(self, index: int, offset: int, size: int) -> bytes:
        shard = self._shard(index)
        try:
            return bytes(self.handles.get(shard, lambda: (self.files[shard].open(), 1)).read_at(size, offset))
        except OSError as error:
            raise ValueError(f"{self.files[shard].name} cannot be read: {one_line(error)}") from None


def read(source: WebDataset) -> Split:
    """The split in the shards of a source.

    Labels are numbers in .cls members, or in .json members under the key `source.label`. Raises ValueError for a shard
    that is missing or truncated, for members that are links or devices or whose paths leave the shard, and for samples
    without an image or a label.
    """
    left = LeftOut()
    files = [file for path in expand(source.path) for file in find(path, "*.tar", "tar shard", left)]
    check_one_split([file.name for file in files], str(source))
    with ThreadPoolExecutor(8) as pool:
        scans = list(pool.map(lambda file: _cached_scan(file, source), files))
    for scan in scans:
        left.add_json(scan["left"].tobytes())
    shards = np.array([len(scan["headers"]) for scan in scans], np.int64)
    if not shards.sum():
        raise ValueError("; ".join((f"no images in {source.path}", *left.notes(source))))
    headers, offsets, sizes, counts, values = (
        np.concatenate([scan[name] for scan in scans]) for name in ("headers", "offsets", "sizes", "counts", "values")
    )
    members = Members(tuple(files), shards, headers, offsets, sizes)
    return Split(ragged(values, counts, None), None, members, left.notes(source))


def expand(path: str) -> list[str]:
    """The paths that a pattern with braces, `{0000..0123}` or `{a,b}`, stands for, in its order. All must exist."""
    pieces = BRACES.split(path)
    choices = [_choices(piece) if i % 2 else [piece] for i, piece in enumerate(pieces)]
    _check_count(math.prod(map(len, choices)), path)
    return ["".join(parts) for parts in product(*choices)]


def _choices(text: str) -> list[str]:
    bounds = RANGE.fullmatch(text)
    if not bounds:
        return text.split(",")
    first, last = bounds.groups()
    count = int(last) - int(first) + 1
    check(count > 0, f"shards {{{text}}} must rise: the first number is above the last")
    _check_count(count, f"{{{text}}}")
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def _check_count(count: int, what: str) -> None:
    # Before they are written out, since ten digits too many would fill the memory.
    check(count <= MOST_SHARDS, f"{what} stands for {count:,} shards, more than {MOST_SHARDS:,}: check its numbers")


def _cached_scan(file: File, source: WebDataset) -> Arrays:
    """The scan of a shard, which is cached where the file is large and says when it was changed."""
    if file.changed is None or file.size < CACHED_BYTES:
        return _scan(file, source)
    place = file.storage.uri if file.storage else ""
    key = ("tar", FORMAT, place, file.name, file.size, file.changed, source.image, source.label)
    return disk_cached(key, lambda: _scan(file, source))


def _scan(file: File, source: WebDataset) -> Arrays:
    """Where the images of one shard lie, how many labels each has, and all labels: int64 arrays."""
    rows: list[tuple[int, int, int, int]] = []
    values: list[int] = []
    left = LeftOut()
    with file.open() as stream:
        for sample in samples(_members(file, stream), file.name, source, left):
            numbers = _labels(sample, stream, source)
            rows.append((sample.image.offset, sample.image.offset_data, sample.image.size, len(numbers)))
            values += numbers
    headers, offsets, sizes, counts = np.array(rows, np.int64).reshape(-1, 4).T
    return {
        "headers": headers,
        "offsets": offsets,
        "sizes": sizes,
        "counts": counts,
        "values": np.array(values, np.int64),
        "left": np.frombuffer(left.to_json(), np.uint8),
    }


def _members(file: File, stream: pa.NativeFile) -> Iterator[tarfile.TarInfo]:
    """The plain files of a shard. Raises ValueError for members of other kinds, and for a shard that is cut short."""
    try:
        # 'r:' takes no compressed tar, in which images could not be read at their offsets.
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # tarfile would keep all that it has read
                if info.name.startswith("/") or ".." in info.name.split("/"):
                    raise ValueError(f"{file.name} has the member {info.name!r}, whose path leaves the shard")
                if not (info.isfile() or info.isdir()) or info.issparse():  # what is sparse lies in pieces
                    raise ValueError(f"{file.name} has the member {info.name!r}, which is not a plain file")
                # tarfile only skips the content, and would not notice.
                if info.offset_data + info.size > file.size:
                    raise ValueError(f"{file.name} is cut short in its member {info.name!r}")
                if info.isfile():
                    yield info
            if tar.offset + BLOCK > file.size or any(stream.read_at(BLOCK, tar.offset)):
                raise ValueError(f"{file.name} is cut short or broken at byte {tar.offset}: a tar file ends with zeros")
    except (tarfile.TarError, OSError) as error:
        raise ValueError(f"{file.name} is broken or not an uncompressed tar file: {one_line(error)}") from None


def _labels(sample: Sample, stream: pa.NativeFile, source: WebDataset) -> list[int]:
    """Class numbers of a sample."""
    place = stream.tell()
    content = stream.read_at(sample.label.size, sample.label.offset_data)
    stream.seek(place)  # else Arrow refuses to read on, unless tarfile happens to seek itself
    text = text_of(content)
    try:
        value = json.loads(text)[source.label or LABEL_KEY] if sample.json else [int(word) for word in text.split()]
    except (ValueError, KeyError, TypeError, RecursionError):
        value = None
    numbers: list[Any] = value if isinstance(value, list) else [value]
    # By exact type: JSON's true is an int to isinstance.
    if not all(type(number) is int and 0 <= number < 2**31 for number in numbers) or not (numbers or sample.json):
        ending = "json" if sample.json else "cls"
        raise ValueError(
            f"labels of {sample.name} in .{ending} must be integers, got {content[:40].decode(errors='replace')!r}"
        )
    return numbers

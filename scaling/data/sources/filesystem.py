"""Files of a data set, on this machine or an object store: finding them, opening each once, reading parts of them."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa
from pyarrow import fs

from scaling.checks import check, check_regular, printable, read_regular
from scaling.data.sources.listing import LeftOut, matches
from scaling.store import Storage

V = TypeVar("V")
OPEN_FILES = 64  # handles kept open by a reader
MOST_BYTES = 1 << 30  # of one encoded image: twice the pixels that an image may have, uncompressed


class Recent(Generic[V]):
    """A cache of the values used last, up to a total weight. It is pickled empty: other processes fill their own."""

    def __init__(self, limit: int) -> None:
        self.limit, self.weight = limit, 0
        self.values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], tuple[V, int]]) -> V:
        """The value of a key. `make` returns it with its weight when it is missing; one thread at a time does so."""
        with self.lock:
            if key not in self.values:
                self.values[key] = make()
                self.weight += self.values[key][1]
            self.values.move_to_end(key)
            while self.weight > self.limit and len(self.values) > 1:  # the newest stays, however heavy
                self.weight -= self.values.popitem(last=False)[1][1]
            return self.values[key][0]

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return Recent, (self.limit,)


@dataclass(frozen=True)
class File:
    """One file: its path in its file system, its size in bytes, and the storage that it was found by."""

    name: str
    size: int
    storage: Storage | None = None  # None: a file in memory, its bytes are `content`
    content: bytes = field(default=b"", repr=False)
    changed: int | None = None  # time of its last change in ns since 1970, where it is known

    def open(self) -> pa.NativeFile:
        if self.storage is None:
            return pa.BufferReader(self.content)
        if self.storage.local is not None:
            check_regular(self.name)
            if "\udc80" <= max(self.name) <= "\udcff":  # Arrow takes no name that is not UTF-8
                descriptor = os.open(self.name, os.O_RDONLY)
                try:
                    return pa.OSFile(f"/dev/fd/{descriptor}")
                finally:
                    os.close(descriptor)
        return filesystem(self.storage)[0].open_input_file(self.name)


@dataclass(frozen=True, eq=False)
class Files:
    """Encoded images in a file each, by their paths under a directory."""

    root: Storage
    paths: pa.ChunkedArray  # of bytes [N]: names of files need not be UTF-8
    sizes: np.ndarray | None = None  # int64 [N], bytes of each file, where they are known

    def __getitem__(self, index: int) -> bytes:
        try:
            return content(self.root, self.name(index), MOST_BYTES)
        except OSError as error:
            raise ValueError(f"cannot read {self.where(index)}: {one_line(error)}") from None

    def name(self, index: int) -> str:
        return os.fsdecode(self.paths[index].as_py())

    def where(self, index: int) -> str:
        return printable(self.root.path(self.name(index)))

    @property
    def shards(self) -> np.ndarray:
        return np.array([len(self.paths)], np.int64)


def buffer(name: str, content: bytes) -> File:
    """A file in memory."""
    return File(name, len(content), None, content)


def filesystem(storage: Storage) -> tuple[fs.FileSystem, PurePosixPath]:
    """`storage.filesystem()`, made once per process: a parent's connections do not work in its children."""
    return _filesystem(storage, os.getpid())


@lru_cache(maxsize=32)
def _filesystem(storage: Storage, process: int) -> tuple[fs.FileSystem, PurePosixPath]:
    return storage.filesystem()


def find(path: str, inside: str, kind: str, left: LeftOut) -> list[File]:
    """The files at a path, sorted: a single one, those of a directory that match `inside`, or those of a glob.

    What else lies there is noted in `left`. Raises ValueError when there are none; `kind` is what its message calls the
    files.
    """
    storage = Storage.of(path)
    store, root = filesystem(storage)
    try:
        listed = matches(store, root, inside, left)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {one_line(error)}") from None
    if not listed:
        none = f"no {kind} at {path}: give a file, a directory of {inside} files or a glob"
        raise ValueError("; ".join((none, *left.notes(path))))
    # Sorted, since drivers list in orders of their own, and fingerprints follow from the order.
    return [
        File(file.path, file.size, storage, changed=file.changed) for file in sorted(listed, key=lambda file: file.path)
    ]


def content(storage: Storage, name: str, most: int) -> bytes:
    """The bytes of a file. Raises ValueError for what is no file or has more than `most` bytes, OSError else."""
    if storage.local is not None:
        return read_regular(os.path.join(storage.uri, name), most)  # noqa: PTH118  # a third of pathlib's time
    store, root = filesystem(storage)
    with store.open_input_file(str(root / name)) as file:
        size = file.size()
        check(size <= most, f"{storage.path(name)} has {size:,} bytes, where {most:,} are the most that can be right")
        return bytes(file.read())


def head(storage: Storage, name: str, count: int) -> bytes:
    """The first bytes of a file. Raises OSError when it cannot be read."""
    if storage.local is not None:
        with open(os.path.join(storage.uri, name), "rb", buffering=0) as file:  # noqa: PTH118, PTH123
            return file.read(count)
    store, root = filesystem(storage)
    with store.open_input_file(str(root / name)) as file:
        return bytes(file.read(count))


def read_bytes(path: str, kind: str, most: int) -> bytes:
    """The bytes of a file at a path or URI. Raises ValueError, calling the file `kind`, when it cannot be read."""
    place = Storage.of(path)
    try:
        if place.local is not None:
            return read_regular(place.uri, most)
        store, root = filesystem(place)
        with store.open_input_file(str(root)) as file:
            check(file.size() <= most, f"{path} has {file.size():,} bytes, too many for a {kind}")
            return bytes(file.read())
    except OSError as error:
        raise ValueError(f"cannot read the {kind} {path}: {one_line(error)}") from None


def read_text(path: str, kind: str) -> str:
    """The text of a file at a path or URI. Raises ValueError, calling the file `kind`, when it cannot be read."""
    try:
        return read_bytes(path, kind, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read the {kind} {path}: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """The message of an exception without line breaks."""
    return " ".join(str(error).split())

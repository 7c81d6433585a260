"""Files of a data set, on this machine or an object store: finding them, opening each once, reading parts of them."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa
from pyarrow import fs

from scaling.store import Storage

V = TypeVar("V")
OPEN_FILES = 64  # handles kept open by a reader
IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm")  # extensions


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
        return filesystem(self.storage)[0].open_input_file(self.name)


@dataclass(frozen=True, eq=False)
class Files:
    """Encoded images in a file each, by their paths under a directory."""

    root: Storage
    paths: pa.ChunkedArray  # of strings [N]

    def __getitem__(self, index: int) -> bytes:
        store, root = filesystem(self.root)
        try:
            with store.open_input_file(str(root / self.name(index))) as file:
                return bytes(file.read())
        except OSError as error:
            raise ValueError(f"cannot read {self.where(index)}: {one_line(error)}") from None

    def name(self, index: int) -> str:
        return str(self.paths[index].as_py())

    def where(self, index: int) -> str:
        return self.root.path(self.name(index))

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


def find(path: str, inside: str, kind: str) -> list[File]:
    """The files at a path, sorted: a single one, those of a directory that match `inside`, or those of a glob.

    Raises ValueError when there are none; `kind` is what its message calls the files.
    """
    storage = Storage.of(path)
    store, root = filesystem(storage)
    try:
        infos = _matches(store, root, inside)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {one_line(error)}") from None
    if not infos:
        raise ValueError(f"no {kind} at {path}: give a file, a directory of {inside} files or a glob")
    # Sorted, since drivers list in orders of their own, and fingerprints follow from the order.
    return [
        File(info.path, info.size, storage, changed=info.mtime_ns) for info in sorted(infos, key=lambda info: info.path)
    ]


def _matches(store: fs.FileSystem, root: PurePosixPath, inside: str) -> list[fs.FileInfo]:
    info = store.get_file_info(str(root))
    if info.type == fs.FileType.File:
        return [info]
    fixed = root
    # A path that exists is itself, even with a glob's signs in its name.
    while any(set(part) & set("*?[") for part in fixed.parts) and info.type == fs.FileType.NotFound:
        fixed = fixed.parent
    pattern = root if fixed != root else root / inside
    depth = len(pattern.parts) - len(fixed.parts)
    listed = store.get_file_info(fs.FileSelector(str(fixed), allow_not_found=True, recursive=depth > 1))
    return [i for i in listed if i.type == fs.FileType.File and _match(PurePosixPath(i.path), pattern)]


def _match(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    return len(path.parts) == len(pattern.parts) and all(map(fnmatch, path.parts, pattern.parts))


def read_text(path: str, kind: str) -> str:
    """The text of a file at a path or URI. Raises ValueError, calling the file `kind`, when it cannot be read."""
    store, root = filesystem(Storage.of(path))
    try:
        with store.open_input_file(str(root)) as file:
            return str(file.read().decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the {kind} {path}: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """The message of an exception without line breaks."""
    return " ".join(str(error).split())

"""Test images among the training images: the same file under any path, or the same bytes in another one.

Where images lie is compared for all of them. Contents are compared where sizes are equal, and results are kept on this
machine's disk until a file changes. Of sets that would cost more than BYTES to read, SAMPLE test images are compared.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling.data.sources.builtin import Unmade
from scaling.data.sources.disk_cache import disk_cached
from scaling.data.sources.filesystem import File, Files
from scaling.data.sources.hubs import Items
from scaling.data.sources.parquet import Rows, whole_numbers
from scaling.data.sources.selection import Chosen
from scaling.data.sources.split import Encoded
from scaling.data.sources.webdataset import Members

BYTES = 256 << 20  # encoded images that are read to compare two sets, at most
IMAGES = 200_000  # and how many of them
SAMPLE = 256  # test images that are compared of larger sets, evenly spread
FILES = 2_000_000  # images in a file each whose sizes are asked for, at most
FORMAT = 1  # version of a cached comparison
NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Copies:
    """Test images whose bytes are those of a training image."""

    found: int  # test images
    compared: int  # test images, 0 where the sets are too large to read; sizes of all of them were compared
    test: int = -1  # index of the first of them
    train: int = -1  # and of its copy


def shared(train: Encoded, test: Encoded) -> np.ndarray:
    """Indices of the test images that are training images, by where they lie: int64, ascending.

    Files are the same through links to directories, and links to a file that holds many images.
    """
    (ids, files, at), (test_ids, test_files, test_at) = _places(train), _places(test)
    same = _found(test_ids, ids)
    if (same < 0).all():
        return NONE
    top = max(at.max(initial=0), test_at.max(initial=0)) + 1
    theirs = same[test_files]
    found: np.ndarray = np.flatnonzero((theirs >= 0) & np.isin(theirs * top + test_at, files * top + at))
    return found


Ids = Any  # of files [F]: a list; Arrow's large binaries where each file is an image, of which there may be millions
Places = tuple[Ids, np.ndarray, np.ndarray]  # ids; of each image its file, int64 [N], and its place in that [N]


def _found(ids: Ids, among: Ids) -> np.ndarray:
    """Where each id stands among others: int64 [F], -1 where it does not."""
    if isinstance(ids, list) and isinstance(among, list):  # without Arrow's arrays of lists, which import pandas
        places = {name: number for number, name in enumerate(among)}
        return np.array([places.get(name, -1) for name in ids], np.int64)
    arrays = [_text(some) if isinstance(some, list) else some for some in (ids, among)]
    return whole_numbers(pc.fill_null(pc.index_in(arrays[0], value_set=arrays[1]), -1))


def _places(encoded: Encoded) -> Places:
    match encoded:
        case Chosen():
            ids, files, at = _places(encoded.all)
            index = np.asarray(encoded.index)
            return ids, files[index], at[index]
        case Files():
            return _paths(encoded), np.arange(len(encoded.paths)), np.zeros(len(encoded.paths), np.int64)
        case Rows():
            ids = [_id(file) for file in encoded.files]
            return ids, np.repeat(np.arange(len(ids)), encoded.shards), _counted(encoded.shards)
        case Members():
            ids = [_id(file) for file in encoded.files]
            return ids, np.repeat(np.arange(len(ids)), encoded.shards), encoded.headers
        case Items():
            count = len(encoded.items)
            return [encoded.place], np.zeros(count, np.int64), np.arange(count)
        case Unmade():
            name, numbers = encoded.place
            return [name], np.zeros(len(numbers), np.int64), numbers
    raise AssertionError(f"images of a kind without a place: {type(encoded)}")


def _text(ids: list[str]) -> pa.Array:
    return pa.array(map(os.fsencode, ids), pa.large_binary())  # names of files need not be UTF-8


def _counted(sizes: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... in each of the files: int64 [N]."""
    places: np.ndarray = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return places


def _id(file: File) -> str:
    """What a file is, by whatever path: its place on the disk, or its key and the options of its object store."""
    if file.storage is None:
        return f"memory:{file.name}"
    if file.storage.local is None:
        scheme, _, rest = file.storage.uri.partition("://")
        return f"{scheme}://{file.name}?{rest.partition('?')[2]}"
    about = Path(file.name).stat()
    return f"{about.st_dev}:{about.st_ino}"


def _paths(files: Files) -> pa.Array:
    """The paths of images in a file each, with links to directories followed: large binaries [N]."""
    paths = files.paths.cast(pa.large_binary()).combine_chunks()
    folders = pc.replace_substring_regex(paths, r"[^/]*$", "").dictionary_encode()
    root = files.root
    full: Callable[[str], str] = (
        root.path if root.local is None else lambda folder: os.path.realpath(f"{root.local}/{folder}") + "/"
    )
    known = _text([full(folder) for folder in map(os.fsdecode, folders.dictionary.to_pylist())])
    names = pc.replace_substring_regex(paths, r"(?s)^.*/", "")
    return pc.binary_join_element_wise(known.take(folders.indices), names, _text([""])[0])


def copies(train: Encoded, test: Encoded) -> Copies:
    """Test images that are byte-equal to a training image, of all that are compared."""
    (sizes, key), (test_sizes, test_key) = _sizes(train), _sizes(test)
    if sizes is None or test_sizes is None:
        return Copies(0, 0)

    def compare() -> dict[str, np.ndarray]:
        return {"found": np.array(_compare(train, test, sizes, test_sizes))}

    cached = key is not None and test_key is not None
    result = disk_cached(("copies", FORMAT, SAMPLE, BYTES, key, test_key), compare) if cached else compare()
    return Copies(*result["found"].tolist())


def _compare(train: Encoded, test: Encoded, sizes: np.ndarray, test_sizes: np.ndarray) -> tuple[int, int, int, int]:
    count = len(test_sizes)
    every = np.arange(count)
    for compared in (every, np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))):
        tested = compared[(test_sizes[compared] > 0) & np.isin(test_sizes[compared], sizes)]
        candidates = np.flatnonzero(np.isin(sizes, test_sizes[tested]))
        total = sizes[candidates].sum() + test_sizes[tested].sum()
        if total <= BYTES and len(candidates) + len(tested) <= IMAGES:
            break
    else:
        return 0, 0, -1, -1
    known: dict[bytes, int] = {}
    for index in candidates[::-1].tolist():  # from the end: the first of equal images stays
        known[_digest(train, index)] = index
    pairs = [(index, known[digest]) for index in tested.tolist() if (digest := _digest(test, index)) in known]
    return (len(pairs), len(compared), *(pairs[0] if pairs else (-1, -1)))


def _digest(encoded: Encoded, index: int) -> bytes:
    return hashlib.blake2b(encoded[index] or b"", digest_size=16).digest()


def _sizes(encoded: Encoded) -> tuple[np.ndarray | None, Any]:
    """The size of each image in bytes, int64 [N], 0 where there is none; None where to know them would cost too much.

    And what changes when the files do; None where that is not known.
    """
    match encoded:
        case Chosen():
            sizes, key = _sizes(encoded.all)
            index = np.asarray(encoded.index)
            chosen = hashlib.sha256(index.astype("<i8").tobytes()).hexdigest()
            return None if sizes is None else sizes[index], key and (key, chosen)
        case Files():
            return _sizes_of_files(encoded)
        case Rows():
            if sum(file.size for file in encoded.files) > BYTES:
                return None, None
            groups = [encoded.group(number) for number in range(len(encoded.group_sizes))]
            lengths = [pc.binary_length(group).combine_chunks() for group in groups]
            # Filled only where there is need: Arrow's scalars import pandas where it is installed.
            filled = [pc.fill_null(some, 0) if some.null_count else some for some in lengths]
            return np.concatenate([NONE, *map(whole_numbers, filled)]), _changed(encoded.files)
        case Members():
            return encoded.sizes, _changed(encoded.files)
        case Items():
            return (None if encoded.sizes is None else encoded.sizes()), None
    return None, None  # a built-in set: its splits differ by construction


def _changed(files: tuple[File, ...]) -> Any:
    about = [(_id(file), file.size, file.changed) for file in files]
    return about if all(file.changed is not None for file in files) else None


def _sizes_of_files(files: Files) -> tuple[np.ndarray | None, Any]:
    if files.root.local is None or len(files.paths) > FILES:
        return None, None
    about, text = np.zeros((len(files.paths), 2), np.int64), hashlib.sha256(str(files.root.local).encode())
    for index, path in enumerate(files.paths.to_pylist()):
        text.update(path + b"\n")
        try:
            # A Path of each of millions would take seconds.
            found = os.stat(os.fsencode(f"{files.root.local}/") + path)  # noqa: PTH116
        except OSError:
            continue  # who opens it says why it cannot
        about[index] = found.st_size, found.st_mtime_ns
    return about[:, 0], (text.hexdigest(), hashlib.sha256(about.astype("<i8").tobytes()).hexdigest())

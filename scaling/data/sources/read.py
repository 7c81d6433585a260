"""Opening a split of any form by its URI, and its facts, which are known without decoding an image."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scaling.checks import check
from scaling.data.builtin_sets import Digits, Ifs, Layouts
from scaling.data.sources import builtin, folders, hubs, parquet, webdataset
from scaling.data.sources.encoding import image_name
from scaling.data.sources.filesystem import buffer
from scaling.data.sources.labels import highest_label, numbers
from scaling.data.sources.selection import Chosen, choose
from scaling.data.sources.split import Facts, Split
from scaling.data.uris import (
    HuggingFace,
    ImageFolder,
    ListFile,
    Parquet,
    Selected,
    Source,
    Torchvision,
    WebDataset,
    parse_uri,
)
from scaling.store import Storage

if TYPE_CHECKING:
    from scaling.data.sources.images import Images

SAMPLES = 64  # images whose bytes go into a fingerprint


@lru_cache(maxsize=8)
def open_split(uri: str, cache: Storage | None) -> "Images":
    """The images of a split, which is opened once per process.

    Args:
        uri: a URI of `scaling.data.uris`.
        cache: where built-in sets are kept when they have been made; None makes them in memory.

    Raises:
        ValueError: a URI that names nothing, missing or broken files, missing columns, images without a label.
    """
    from scaling.data.sources.images import Images  # here: planning reads facts, and needs no Pillow for them

    split = read_split(parse_uri(uri), cache)
    return Images(split.labels, split.classes, split.encoded, split.notes)


def read_split(source: Source | Selected, cache: Storage | None) -> Split:
    """The split of a source; built-in ones are kept in `cache`. Raises ValueError when it cannot be read."""
    if isinstance(source, Selected):
        return choose(read_split(source.source, cache), source)
    split = _read(source, cache)
    check(len(split.labels) > 0, f"no images in {source}")
    if split.classes and highest_label(split.labels) >= len(split.classes):
        label = highest_label(split.labels)
        raise ValueError(f"{source} has label {label}, but only {len(split.classes)} class names")
    return split


def _read(source: Source, cache: Storage | None) -> Split:
    match source:
        case Parquet():
            return parquet.read(source)
        case ImageFolder():
            return folders.read_folder(source)
        case ListFile():
            return folders.read_list(source)
        case WebDataset():
            return webdataset.read(source)
        case Torchvision():
            return hubs.read_torchvision(source)
        case HuggingFace():
            return hubs.read_hugging_face(source)
    if cache is not None:
        return parquet.read(Parquet(builtin.cached_file(source, cache)))
    return parquet.read_files([buffer(str(source), builtin.content(source))], Parquet(str(source)))


def split_facts(source: Source | Selected) -> Facts:
    """Counts and fingerprint of a split, without making the images of a built-in one.

    The fingerprint is a hash of the content, the same in every form and place: the number of images, the labels in
    order, and the bytes of SAMPLES images, evenly spread. That of a built-in set is a hash of its parameters. Lists of
    images add the indices that they select. Raises ValueError when the split cannot be read.
    """
    match source:
        case Ifs() | Layouts() | Digits():
            return builtin.facts(source)
        case Selected(Ifs() | Layouts() | Digits() as base):
            whole = builtin.facts(base)
            unmade = Split(builtin.labels(base), None, _Unmade(str(base), whole.num_images))
            split = choose(unmade, source)
            assert isinstance(split.encoded, Chosen)
            digest = hashlib.sha256(whole.fingerprint.encode())
            digest.update(np.asarray(split.encoded.index, "<i8").tobytes())
            return _facts(split, whole.num_classes, digest.hexdigest()[:16])
    split = read_split(source, None)
    return _facts(split, len(split.classes or ()), fingerprint(split))


def _facts(split: Split, num_classes: int, digest: str) -> Facts:
    highest = highest_label(split.labels)
    return Facts(len(split.labels), num_classes or highest + 1, highest, digest, split.notes)


def fingerprint(split: Split) -> str:
    """16 hexadecimal digits of a hash of the content, as `split_facts` says."""
    count = len(split.labels)
    digest = hashlib.sha256(str(count).encode())
    for array in numbers(split.labels):
        # Little-endian on every machine: ids follow from this.
        digest.update(array.astype("<i8").tobytes())
    for index in sorted({i * (count - 1) // (SAMPLES - 1) for i in range(SAMPLES)}):
        image = split.encoded[index] or b""
        # The length first, so that bytes cannot pass from one image to the next unseen.
        digest.update(len(image).to_bytes(8, "little"))
        digest.update(image)
    if isinstance(split.encoded, Chosen) and isinstance(split.encoded.index, np.ndarray):
        digest.update(split.encoded.index.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _Unmade:
    """Images of a built-in set that were not made: only their names are known, which is enough to select some."""

    uri: str
    count: int

    def __getitem__(self, index: int) -> bytes | None:
        raise AssertionError(f"{self.where(index)} is not made")

    def name(self, index: int) -> str:
        return image_name(index)

    def where(self, index: int) -> str:
        return f"row {index} of {self.uri}"

    @property
    def shards(self) -> np.ndarray:
        return np.array([self.count], np.int64)

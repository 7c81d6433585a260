"""Splits of all forms by their source, and what is known of them without decoding an image."""

import hashlib
from dataclasses import dataclass

import numpy as np

from scaling.checks import check
from scaling.data.builtin_sets import Digits, Ifs, Layouts
from scaling.data.sources import builtin, folders, parquet, webdataset
from scaling.data.sources import hubs as libraries
from scaling.data.sources import read as selection
from scaling.data.sources.filesystem import read_text
from scaling.data.sources.split import Encoded, Facts, Split, highest_label, numbers, select
from scaling.data.uris import HuggingFace, ImageFolder, ListFile, Parquet, Selected, Source, Torchvision, WebDataset
from scaling.store import Storage

SAMPLES = 64  # images whose bytes go into a fingerprint


def read_split(source: Source | Selected, cache: Storage | None) -> Split:
    """The split of a source; `cache` is where built-in ones are kept. Raises ValueError when it cannot be read."""
    if isinstance(source, Selected):
        return selection.choose(read_split(source.source, cache), source)
    split = _read(source, cache)
    check(len(split.labels) > 0, f"no images in {source}")
    if split.classes and highest_label(split.labels) >= len(split.classes):
        label = highest_label(split.labels)
        raise ValueError(f"{source} has label {label}, but names of {len(split.classes)} classes")
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
            return libraries.read_torchvision(source)
        case HuggingFace():
            return libraries.read_hugging_face(source)
    return builtin.read(source, cache)


def split_facts(source: Source | Selected) -> Facts:
    """Counts and content of a split; built-in ones are not made for it. Raises ValueError when it cannot be read.

    The fingerprint is of the content, whatever form it has and wherever it lies: number of images, labels in order, and
    SAMPLES images, evenly spread. That of a built-in set is of its parameters. Lists of images add what they choose.
    """
    match source:
        case Ifs() | Layouts() | Digits():
            return builtin.facts(source)
        case Selected(Ifs() | Layouts() | Digits() as base):
            whole = builtin.facts(base)
            unmade = Split(builtin.labels(base), None, _Unmade(str(base), whole.num_images))
            split = selection.choose(unmade, source)
            assert isinstance(split.encoded, selection.Chosen)
            digest = hashlib.sha256(whole.fingerprint.encode())
            digest.update(np.asarray(split.encoded.index, "<i8").tobytes())
            return _facts(split, whole.num_classes, digest.hexdigest()[:16])
    split = read_split(source, None)
    return _facts(split, len(split.classes or ()), fingerprint(split))


def _facts(split: Split, num_classes: int, digest: str) -> Facts:
    top = highest_label(split.labels)
    return Facts(len(split.labels), num_classes or top + 1, top, digest)


def fingerprint(split: Split) -> str:
    """16 hexadecimal digits of the content; see `facts`."""
    count = len(split.labels)
    digest = hashlib.sha256(str(count).encode())
    for array in numbers(split.labels):
        digest.update(array.astype("<i8").tobytes())
    for index in sorted({i * (count - 1) // (SAMPLES - 1) for i in range(SAMPLES)}):
        image = split.encoded[index] or b""
        digest.update(len(image).to_bytes(8, "little"))
        digest.update(image)
    if isinstance(split.encoded, selection.Chosen) and isinstance(split.encoded.index, np.ndarray):
        digest.update(split.encoded.index.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _Unmade:
    """Images of a built-in set that are known by name alone."""

    uri: str
    count: int

    def __getitem__(self, index: int) -> bytes | None:
        raise AssertionError(f"{self.where(index)} is not made")

    def name(self, index: int) -> str:
        return parquet.image_name(index)

    def where(self, index: int) -> str:
        return f"row {index} of {self.uri}"

    @property
    def shards(self) -> np.ndarray:
        return np.array([self.count], np.int64)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The encoded images `index` of others."""

    all: Encoded
    index: range | np.ndarray  # ascending

    def __getitem__(self, index: int) -> bytes | None:
        return self.all[int(self.index[index])]

    def name(self, index: int) -> str:
        return self.all.name(int(self.index[index]))

    def where(self, index: int) -> str:
        return self.all.where(int(self.index[index]))

    @property
    def shards(self) -> np.ndarray:
        edges = np.concatenate([[0], np.cumsum(self.all.shards)])
        if isinstance(self.index, range):
            counts = np.diff(np.clip(edges, self.index.start, self.index.stop))
        else:
            counts = np.diff(np.searchsorted(self.index, edges))
        return counts[counts > 0]


def choose(split: Split, selected: Selected) -> Split:
    """The images of a split that a URI's options leave: the part first, so that no list moves its bounds.

    Raises ValueError for a part that reaches beyond the images, for a name that no image of the source has, and when
    nothing is left.
    """
    start, stop = selected.bounds(len(split.labels))
    index: range | np.ndarray = range(start, stop)
    if selected.only or selected.without:
        keep = np.zeros(len(split.labels), bool)
        keep[start:stop] = True
        if selected.only:
            keep &= _listed(split, selected.only)
        if selected.without:
            keep &= ~_listed(split, selected.without)
        index = np.flatnonzero(keep)
        check(len(index) > 0, f"the lists leave no image of {selected}")
        if len(index) == stop - start:
            index = range(start, stop)
    return Split(select(split.labels, index), split.classes, Chosen(split.encoded, index))


def _listed(split: Split, path: str) -> np.ndarray:
    """Which images a list file names, bool [N]."""
    lines = [line.strip() for line in read_text(path, "list of images").splitlines()]
    missing = {line for line in lines if line and not line.startswith("#")}
    found = np.zeros(len(split.labels), bool)
    for index in range(len(found) if missing else 0):
        if (name := split.encoded.name(index)) in missing:
            found[index] = True
            missing.remove(name)
            if not missing:
                break
    if missing:
        unknown = next(line for line in lines if line in missing)
        raise ValueError(f"list {path} names {unknown!r}, which no image of the set is called ({_example(split)})")
    return found


def _example(split: Split) -> str:
    return f"the first one is {split.encoded.name(0)!r}" if len(split.labels) else "it is empty"

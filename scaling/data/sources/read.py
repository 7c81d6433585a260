"""Opening a split of any form by its URI, and its facts, which are known without decoding an image."""

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scaling.checks import check, say
from scaling.data.builtin_sets import Digits, Ifs, Layouts
from scaling.data.sources import builtin, folders, hubs, parquet, webdataset
from scaling.data.sources.classes import aligned, listed, of_splits
from scaling.data.sources.filesystem import Files, buffer
from scaling.data.sources.first_look import FirstLook
from scaling.data.sources.labels import highest_label, numbers
from scaling.data.sources.selection import Chosen, choose
from scaling.data.sources.split import Encoded, Facts, Split
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


def open_announced(uri: str) -> "Images":
    """`open_split` for a command: what was found and is not used is said."""
    images = open_split(uri, None)
    say(images.notes)
    return images


@lru_cache(maxsize=8)
def open_beside(uri: str, train: str, cache: Storage | None) -> "Images":
    """The images of a split with their labels as class numbers of the training split `train`, joined by name.

    It is the value that `open_split` returns where the numbers mean the same already. Raises ValueError as that does,
    and with their names for classes that the training split lacks.
    """
    images, to = open_split(uri, cache), open_split(train, cache).classes
    try:
        labels = aligned(images.labels, images.classes, to, "test classes", "training classes")
    except ValueError as error:
        raise ValueError(f"{uri} does not fit {train}: {error}") from None
    return images if labels is images.labels else replace(images, labels=labels, classes=to)


def read_split(source: Source | Selected, cache: Storage | None) -> Split:
    """The split of a source; built-in ones are kept in `cache`. Raises ValueError when it cannot be read."""
    if isinstance(source, Selected):
        return choose(read_split(source.source, cache), source)
    split = _read(source, cache)
    check(len(split.labels) > 0, f"no images in {source}")
    if split.classes and highest_label(split.labels) >= len(split.classes):
        label = highest_label(split.labels)
        raise ValueError(f"{source} has label {label}, but only {len(split.classes)} class names")
    check(
        not of_splits(split.classes or ()),
        f"the classes of {source} are called {listed(split.classes or ())}, as splits are: give the data of one split",
    )
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
    """`survey` without the images."""
    return survey(source)[0]


def survey(source: Source | Selected) -> tuple[Facts, Encoded]:
    """What is known of a split, and its images, without making those of a built-in one.

    The fingerprint is a hash of the content, the same in every form and place: the number of images, the labels in
    order, and the bytes of SAMPLES images, evenly spread. That of a built-in set is a hash of its parameters. Lists of
    images add the indices that they select. Raises ValueError when the split cannot be read.
    """
    match source:
        case Ifs() | Layouts() | Digits():
            facts = builtin.facts(source)
            return facts, builtin.Unmade(source, facts.num_images)
        case Selected(Ifs() | Layouts() | Digits() as base):
            whole = builtin.facts(base)
            unmade = Split(builtin.labels(base), None, builtin.Unmade(base, whole.num_images))
            split = choose(unmade, source)
            assert isinstance(split.encoded, Chosen)
            digest = hashlib.sha256(whole.fingerprint.encode())
            digest.update(np.asarray(split.encoded.index, "<i8").tobytes())
            return _facts(split, whole.num_classes, digest.hexdigest()[:16]), split.encoded
    split = read_split(source, None)
    seen = FirstLook(split.encoded)
    facts = _facts(split, len(split.classes or ()), fingerprint(split, seen))
    match split.encoded:
        case Files() as files:
            seen.add_files(files, np.arange(len(split.labels)))
        case Chosen(Files() as files, index):
            seen.add_files(files, np.asarray(index))
    notes = (*facts.notes, *seen.notes(source))
    return replace(facts, notes=notes, broken=tuple(seen.broken.values())), split.encoded


def _facts(split: Split, num_classes: int, digest: str) -> Facts:
    highest = highest_label(split.labels)
    names = None if split.classes is None else tuple(split.classes)
    used = tuple(np.unique(numbers(split.labels)[0]).tolist())
    return Facts(len(split.labels), num_classes or highest + 1, highest, digest, split.notes, names, used)


def fingerprint(split: Split, seen: FirstLook | None = None) -> str:
    """16 hexadecimal digits of a hash of the content, as `survey` says. Its images are looked at by the way."""
    count = len(split.labels)
    digest = hashlib.sha256(str(count).encode())
    for array in numbers(split.labels):
        # Little-endian on every machine: ids follow from this.
        digest.update(array.astype("<i8").tobytes())
    for index in sorted({i * (count - 1) // (SAMPLES - 1) for i in range(SAMPLES)}):
        image = split.encoded[index] or b""
        if seen is not None:
            seen.add(index, image)
        # The length first, so that bytes cannot pass from one image to the next unseen.
        digest.update(len(image).to_bytes(8, "little"))
        digest.update(image)
    if isinstance(split.encoded, Chosen) and isinstance(split.encoded.index, np.ndarray):
        digest.update(split.encoded.index.astype("<i8").tobytes())
    return digest.hexdigest()[:16]

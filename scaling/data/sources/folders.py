"""Images in a file each: `imagefolder:`, one directory per class, and `list:`, a text file of paths and labels.

Paths are kept and sorted as Arrow strings: a Python object for each of millions of images would take gigabytes.
"""

from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from scaling.checks import check
from scaling.data.sources.classes import listed, of_splits
from scaling.data.sources.filesystem import IMAGES, Files, filesystem, one_line, read_text
from scaling.data.sources.labels import ragged
from scaling.data.sources.split import Split
from scaling.data.uris import ImageFolder, ListFile
from scaling.store import Storage

CLASS_NAMES = "classes.txt"
MOST_NAMES = 1 << 16  # names that are made of directories called by numbers, at most
DIGITS = 24  # digits up to which numbers in names are compared
BLOCK = 10_000  # files whose existence is asked for at once


def read_folder(source: ImageFolder) -> Split:
    """The images in the class directories of a directory, in the natural order of their names, whatever their class.

    So the order, and with it the fingerprint, does not depend on what the classes are called. Raises ValueError for a
    directory without classes, or a class without images.
    """
    root = Storage.of(source.path)
    store, place = filesystem(root)
    try:
        infos = store.get_file_info(fs.FileSelector(str(place)))
    except OSError as error:
        raise ValueError(f"cannot read the image folder {source.path}: {one_line(error)}") from None
    directories = [i.base_name for i in infos if i.type == fs.FileType.Directory and i.base_name[0] != "."]
    check(bool(directories), f"no class directories in {source.path}: an image folder has one directory per class")
    check(
        not of_splits(directories),
        f"the class directories of {source.path} are called {listed(sorted(directories))}, as splits are: give one of "
        f"them, such as imagefolder:{source.path}/{min(directories)}",
    )
    named = any(i.base_name == CLASS_NAMES for i in infos)
    names = _class_names(root) if named else None
    labels, classes = _class_numbers(directories, names, source.path)
    paths, numbers = [], []
    for directory, label in labels.items():
        inside = _image_paths(store, place, directory)
        check(len(inside) > 0, f"class directory {source.path}/{directory} holds no images: fill or remove it")
        paths.append(inside)
        numbers.append(np.full(len(inside), label, np.int64))
    all_paths, all_labels = pa.chunked_array(paths, pa.string()), np.concatenate(numbers)
    order = natural_order(all_paths, all_labels)
    return Split(all_labels[order], classes, Files(root, all_paths.take(pa.array(order))))


def _class_names(root: Storage) -> list[str]:
    lines = read_text(root.path(CLASS_NAMES), "class names").splitlines()
    names = [line.strip() for line in lines if line.strip()]
    check(len(set(names)) == len(names), f"{root.path(CLASS_NAMES)} has a name twice")
    return names


def _class_numbers(
    directories: list[str], names: list[str] | None, where: str
) -> tuple[dict[str, int], list[str] | None]:
    """The label of each directory, and the class names: those of classes.txt, or else the directories' own.

    Directories called by numbers have these as labels; between them, missing numbers are names too. Without a
    classes.txt, numbers from MOST_NAMES on have no names.
    """
    # A subset: one split may have no image of some class.
    if names is not None and set(directories) <= set(names):
        return {name: names.index(name) for name in sorted(directories)}, names
    if all(name.isascii() and name.isdecimal() for name in directories):
        labels = {name: int(name) for name in sorted(directories, key=int)}
        check(len(set(labels.values())) == len(labels), f"two class directories of {where} have the same number")
        if names is None and max(labels.values()) < MOST_NAMES:
            called = {label: name for name, label in labels.items()}
            names = [called.get(label, str(label)) for label in range(max(called) + 1)]
        return labels, names
    if names is not None:
        unknown = sorted(set(directories) - set(names))[0]
        raise ValueError(f"class directory {where}/{unknown} is not in its {CLASS_NAMES}")
    classes = sorted(directories)
    return {name: label for label, name in enumerate(classes)}, classes


def _image_paths(store: fs.FileSystem, place: PurePosixPath, directory: str) -> pa.Array:
    """Paths under `place` of a directory's images: files with the extension of an image, or with none."""
    inside = store.get_file_info(fs.FileSelector(str(place / directory), recursive=True))
    start = len(str(place)) + 1
    paths = [i.path[start:] for i in inside if i.type == fs.FileType.File and _is_image(i.base_name)]
    return pa.array(paths, pa.string())


def _is_image(name: str) -> bool:
    _, dot, ending = name.rpartition(".")
    return name[0] != "." and (not dot or ending.lower() in IMAGES)


def natural_order(paths: pa.ChunkedArray, labels: np.ndarray) -> np.ndarray:
    """The order of files by stem, with numbers compared as numbers, then by class, then by path: int64 [N]."""
    # Natural order as a sort of strings: every number in a stem is padded with zeros to DIGITS digits.
    stems = pc.replace_substring_regex(pc.replace_substring_regex(paths, r"^.*/", ""), r"\.[^.]*$", "")
    padded = pc.replace_substring_regex(stems, r"([0-9]+)", "0" * DIGITS + r"\1")
    keys = pc.replace_substring_regex(padded, rf"[0-9]*([0-9]{{{DIGITS}}})", r"\1")
    table = pa.table({"key": keys, "label": labels, "path": paths})
    return np.asarray(pc.sort_indices(table, [(name, "ascending") for name in table.column_names])).astype(np.int64)


# A path may hold spaces: all numbers at the end of the line are labels.
LINE = r"^(?P<path>.*?\S)(?P<labels>(?:\s+[0-9]+)+)\s*$"
# Absolute, or with '..' as a part.
LEAVES = r"^/|(?:^|/)\.\.(?:/|$)"


def read_list(source: ListFile) -> Split:
    """The images of a list file, in its order: each line has a relative path and one or more labels.

    Raises ValueError, with the line's number, for a line of another form, a path that leaves the root, or (on this
    machine) one that is not there.
    """
    lines = read_text(source.path, "list file").splitlines()
    used = np.array([i for i, line in enumerate(lines) if line.strip()], np.int64)
    check(len(used) > 0, f"list file {source.path} has no lines")
    texts = pa.array([lines[i] for i in used], pa.string())
    fields = pc.extract_regex(texts, LINE)

    def refuse(bad: np.ndarray, why: str) -> None:
        if bad.any():
            line = int(used[bad.argmax()])
            raise ValueError(f"line {line + 1} of {source.path} {why}: {lines[line]!r}")

    refuse(np.asarray(fields.is_null()), "must be a relative path and a label")
    paths = pc.struct_field(fields, "path")
    refuse(np.asarray(pc.match_substring_regex(paths, LEAVES)), "leaves the images' directory")
    numbers = pc.split_pattern_regex(pc.utf8_trim_whitespace(pc.struct_field(fields, "labels")), r"\s+")
    values = np.asarray(pc.list_flatten(numbers).cast(pa.int64()))
    folder, slash, _ = source.path.rpartition("/")
    root = Storage.of(source.root or folder + ("" if folder else slash) or ".")
    refuse(_missing(root, paths), f"names no file under {root.uri}")
    counts = np.asarray(pc.list_value_length(numbers)).astype(np.int64)
    return Split(ragged(values, counts, None), None, Files(root, pa.chunked_array([paths])))


def _missing(root: Storage, paths: pa.Array) -> np.ndarray:
    """Which of the files do not exist: bool [n]. On an object store, where each costs a request, none is looked for."""
    missing = np.zeros(len(paths), bool)
    if root.local is not None:
        store, place = filesystem(root)
        for start in range(0, len(paths), BLOCK):
            infos = store.get_file_info([str(place / path) for path in paths[start : start + BLOCK].to_pylist()])
            missing[start : start + BLOCK] = [info.type != fs.FileType.File for info in infos]
    return missing

"""Images in a file each: `imagefolder:`, one directory per class, and `list:`, a text file of paths and labels.

Paths are kept and sorted as Arrow's bytes: a Python object for each of millions of images would take gigabytes, and
names of files need not be UTF-8.
"""

import hashlib
import os
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling.checks import check, check_regular
from scaling.data.sources.classes import listed, of_several_splits, of_splits
from scaling.data.sources.disk_cache import disk_cached
from scaling.data.sources.filesystem import Files, filesystem, head, one_line
from scaling.data.sources.labels import ragged, select
from scaling.data.sources.listing import LeftOut, Listed, folders, tree
from scaling.data.sources.lists import LABELS, read_class_names, read_lines, unquoted
from scaling.data.sources.magic import IMAGES, MAGIC_BYTES, is_image
from scaling.data.sources.split import Split
from scaling.data.sources.threads import in_threads
from scaling.data.uris import ImageFolder, ListFile
from scaling.store import Storage, is_clutter

CLASS_NAMES = "classes.txt"
MOST_NAMES = 1 << 16  # names that are made of directories called by numbers, at most
DIGITS = 24  # digits up to which numbers in names are compared
BLOCK = 10_000  # files without an extension from which on it is kept which of them are images


def read_folder(source: ImageFolder) -> Split:
    """The images in the class directories of a directory, in the natural order of their names, whatever their class.

    So the order, and with it the fingerprint, does not depend on what the classes are called. Raises ValueError for a
    directory without classes, a class without images, or a FIFO and the like in place of an image.
    """
    root, left = Storage.of(source.path), LeftOut()
    store, place = filesystem(root)
    try:
        directories, named = folders(store, place, left, CLASS_NAMES)
        check(bool(directories), f"no class directories in {source.path}: an image folder has one directory per class")
        check(
            not of_splits(directories),
            f"the class directories of {source.path} are called {listed(sorted(directories))}, as splits are: give one "
            f"of them, such as imagefolder:{source.path}/{min(directories)}",
        )
        names = _class_names(root, directories) if named else None
        labels, classes = _class_numbers(directories, names, source.path)
        paths, sizes, numbers = [], [], []
        for directory, label in labels.items():
            inside = _images(root, list(tree(store, place, directory, left)), left)
            check(len(inside) > 0, f"class directory {source.path}/{directory} holds no images: fill or remove it")
            deeper = {parts[1] for file in inside if len(parts := file.path.split("/", 2)) > 2}
            check(
                not of_several_splits(deeper),
                f"class directory {source.path}/{directory} holds images of several splits, in "
                f"{listed(sorted(deeper))}: give each split a directory of its own, with the class directories inside",
            )
            paths.append(pa.array([os.fsencode(file.path) for file in inside], pa.binary()))
            sizes.append(np.array([file.size for file in inside], np.int64))
            numbers.append(np.full(len(inside), label, np.int64))
    except OSError as error:
        raise ValueError(f"cannot read the image folder {source.path}: {one_line(error)}") from None
    all_paths, all_labels = pa.chunked_array(paths, pa.binary()), np.concatenate(numbers)
    order = natural_order(all_paths, all_labels)
    files = Files(root, all_paths.take(pa.array(order)), np.concatenate(sizes)[order])
    return Split(all_labels[order], classes, files, left.notes(source))


def _class_names(root: Storage, directories: list[str]) -> list[str]:
    names = read_class_names(root.path(CLASS_NAMES), directories)
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


def _images(root: Storage, found: list[Listed], left: LeftOut) -> list[Listed]:
    """Those with the extension of an image; of those with none, which may be anything, those that begin like one."""
    bare = [file for file in found if "." not in file.path.rpartition("/")[2]]
    begins = dict(zip((file.path for file in bare), _begin_like_images(root, bare), strict=True))
    images = []
    for file in found:
        if begins.get(file.path, file.path.rpartition(".")[2].lower() in IMAGES):
            images.append(file)
        else:
            left.add("other", file.path)
    return images


def _begin_like_images(root: Storage, files: list[Listed]) -> Iterator[bool]:
    """Whether each file begins like an image. That is read once for all processes of a machine, where it takes long."""

    def look() -> dict[str, np.ndarray]:
        heads = in_threads(lambda file: is_image(head(root, file.path, MAGIC_BYTES)), files)
        return {"images": np.array(heads, bool)}

    if len(files) < BLOCK:
        return iter(look()["images"].tolist())
    digest = hashlib.sha256(repr(files).encode()).hexdigest()
    return iter(disk_cached(("heads", root.uri, digest), look)["images"].tolist())


def natural_order(paths: pa.ChunkedArray, labels: np.ndarray) -> np.ndarray:
    """The order of files by stem, with numbers compared as numbers, then by class, then by path: int64 [N]."""
    # Natural order as a sort of strings: every number in a stem is padded with zeros to DIGITS digits.
    stems = pc.replace_substring_regex(pc.replace_substring_regex(paths, r"^.*/", ""), r"\.[^.]*$", "")
    padded = pc.replace_substring_regex(stems, r"([0-9]+)", "0" * DIGITS + r"\1")
    keys = pc.replace_substring_regex(padded, rf"[0-9]*([0-9]{{{DIGITS}}})", r"\1")
    table = pa.table({"key": keys, "label": labels, "path": paths})
    return np.asarray(pc.sort_indices(table, [(name, "ascending") for name in table.column_names])).astype(np.int64)


# A path may hold spaces: all numbers at the end of the line are labels.
LINE = rf"^(?P<path>.*?\S)(?P<labels>{LABELS.pattern.removesuffix('$')})$"
# Absolute, or with '..' as a part.
LEAVES = r"^/|(?:^|/)\.\.(?:/|$)"


def read_list(source: ListFile) -> Split:
    """The images of a list file, in its order: each line has a relative path and one or more labels.

    A path may be a JSON string (`scaling.data.sources.lists`). Raises ValueError, with the line's number, for a line of
    another form, a path that leaves the root, or (on this machine) one that is not there.
    """
    lines = [(i, line) for i, line in enumerate(read_lines(source.path, "list file"), 1) if line.strip()]
    check(len(lines) > 0, f"list file {source.path} has no lines")
    names = {i: name for i, (_, line) in enumerate(lines) if (name := _quoted_path(line))}
    texts = [f"x{names[i][1]}" if i in names else line for i, (_, line) in enumerate(lines)]
    fields = pc.extract_regex(pa.array(map(os.fsencode, texts), pa.binary()), LINE)

    def refuse(bad: np.ndarray, why: str) -> None:
        if bad.any():
            number, line = lines[int(bad.argmax())]
            raise ValueError(f"line {number} of {source.path} {why}: {line!r}")

    refuse(np.asarray(fields.is_null()), "must be a relative path and a label")
    paths = pc.struct_field(fields, "path")
    if names:
        paths = pa.array([os.fsencode(names[i][0]) if i in names else path for i, path in enumerate(paths.to_pylist())])
    refuse(np.asarray(pc.match_substring_regex(paths, LEAVES)), "leaves the images' directory")
    numbers = pc.split_pattern_regex(pc.utf8_trim_whitespace(pc.struct_field(fields, "labels").cast("string")), r"\s+")
    counts = np.asarray(pc.list_value_length(numbers)).astype(np.int64)
    folder, slash, _ = source.path.rpartition("/")
    root, left = Storage.of(source.root or folder + ("" if folder else slash) or "."), LeftOut()
    # What is clutter in a folder is clutter here: lists are often made by a program that takes every file.
    clutter = np.array([is_clutter(os.fsdecode(path)) for path in paths.to_pylist()], bool)
    for path in paths.filter(pa.array(clutter)).to_pylist():
        left.add("clutter", os.fsdecode(path))
    sizes = _sizes(root, paths)
    refuse(~clutter & (sizes < 0), f"names no file under {root.uri}")
    labels = ragged(np.asarray(pc.list_flatten(numbers).cast(pa.int64())), counts, None)
    used = np.flatnonzero(~clutter)
    files = Files(root, pa.chunked_array([paths.take(pa.array(used))]), sizes[used] if root.local else None)
    return Split(select(labels, used), None, files, left.notes(source))


def _quoted_path(line: str) -> tuple[str, str] | None:
    """The path that a line has as a JSON string, and its labels; None for a plain line."""
    name = unquoted(line)
    return name if name and LABELS.fullmatch(name[1]) else None


def _sizes(root: Storage, paths: pa.Array) -> np.ndarray:
    """Bytes of each file, -1 where there is none: int64 [n]. On an object store, where each costs a request, all 0.

    Raises ValueError for a FIFO and the like.
    """
    sizes = np.zeros(len(paths), np.int64)
    for i, path in enumerate(paths.to_pylist() if root.local is not None else ()):
        place = root.path(os.fsdecode(path))
        try:
            about = os.stat(place)  # noqa: PTH116  # half of pathlib's time
        except OSError:
            sizes[i] = -1
            continue
        check_regular(place)
        sizes[i] = about.st_size
    return sizes

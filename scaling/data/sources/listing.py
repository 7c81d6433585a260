"""The files of a directory or a glob, and what is left out of them.

Directories of this machine are read by `os.scandir`: Arrow's own listing follows a link to a directory above until the
path is too long, leaves out links that lead nowhere and FIFOs without a word, and takes no names that are not UTF-8.
"""

import glob
import json
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pyarrow import fs

from scaling.checks import check_regular, printable
from scaling.store import is_clutter

NAMED = 3  # files that a note names
KINDS = {  # of what is left out: one, many
    "clutter": ("hidden file or folder", "hidden files or folders"),
    "other": ("file that is no image", "files that are no images"),
    "outside": ("file or folder beside them", "files or folders beside them"),
    "dangling": ("link that leads nowhere", "links that lead nowhere"),
    "circle": ("link to a folder that is read already", "links to folders that are read already"),
    "members": ("member that is no part of a sample", "members that are no part of samples"),
    "extras": ("further member of a sample", "further members of samples"),
}


@dataclass
class LeftOut:
    """What was found and is not used: how many of each of KINDS, and the first names."""

    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        first = self.names.setdefault(kind, [])
        if len(first) < NAMED:
            first.append(name)

    def to_json(self) -> bytes:
        return json.dumps([self.counts, self.names]).encode()

    def add_json(self, content: bytes) -> None:
        """Add what `to_json` has written, of a part of the same source."""
        counts, names = json.loads(content)
        for kind, count in counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
            self.names[kind] = (self.names.get(kind, []) + names[kind])[:NAMED]

    def notes(self, source: object) -> tuple[str, ...]:
        """One line that says so, or none."""
        parts = []
        for kind, count in self.counts.items():
            names = [printable(name) for name in self.names[kind]]
            more = ", ..." if count > len(names) else ""
            parts.append(f"{count:,} {KINDS[kind][count != 1]} ({', '.join(names)}{more})")
        return (f"{source}: not used: {', '.join(parts)}",) if parts else ()


class Listed(NamedTuple):  # made in a third of a dataclass's time, for each of millions of files
    """A file that was found: its path, relative or whole as asked, its size in bytes, and when it was changed."""

    path: str
    size: int
    changed: int | None  # ns since 1970, where it is known


def tree(store: fs.FileSystem, root: PurePosixPath, directory: str, left: LeftOut) -> Iterator[Listed]:
    """The files in a directory under `root` and in its folders, by paths under `root`.

    A folder is read once, however many links lead to it, and none that `root` lies in. Raises OSError for a folder that
    cannot be read, and ValueError for a FIFO, a socket or a device.
    """
    if isinstance(store, fs.LocalFileSystem):
        yield from _local_tree(Path(root), directory, left)
        return
    start = len(str(root)) + 1
    for info in store.get_file_info(fs.FileSelector(str(root / directory), recursive=True)):
        path = info.path[start:]
        if is_clutter(path[len(directory) + 1 :]):
            left.add("clutter", path)
        elif info.type == fs.FileType.File:
            yield Listed(path, info.size, info.mtime_ns)


def _local_tree(root: Path, directory: str, left: LeftOut) -> Iterator[Listed]:
    whole = root.resolve()
    above = {_identity(place.stat()) for place in (whole, *whole.parents)}
    # Links last, so that a folder is read by its own name.
    folders, links, read = deque([directory]), deque[str](), set[tuple[int, int]]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        place = root / folder
        identity = _identity(place.stat())
        if identity in above | read:
            left.add("circle", folder)
            continue
        read.add(identity)
        with os.scandir(place) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = f"{folder}/{entry.name}"
            if is_clutter(entry.name):
                left.add("clutter", path)
            elif (about := _about(entry)) is None:
                left.add("dangling", path)
            elif stat.S_ISDIR(about.st_mode):
                (links if entry.is_symlink() else folders).append(path)
            else:
                if not stat.S_ISREG(about.st_mode):
                    check_regular(entry.path)
                yield Listed(path, about.st_size, about.st_mtime_ns)


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _about(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What an entry is, or what it leads to; None for a link that leads nowhere, or in a circle."""
    try:
        return entry.stat()
    except OSError:
        if entry.is_symlink():
            return None
        raise


def folders(store: fs.FileSystem, root: PurePosixPath, left: LeftOut, beside: str) -> tuple[list[str], bool]:
    """Names of the directories in `root`, and whether the file `beside` lies there too. All else is left out."""
    names, is_there = [], False
    for name, is_folder in _entries(store, root, left):
        if is_clutter(name):
            left.add("clutter", name)
        elif is_folder:
            names.append(name)
        elif name == beside:
            is_there = True
        else:
            left.add("outside", name)
    return names, is_there


def _entries(store: fs.FileSystem, root: PurePosixPath, left: LeftOut) -> Iterator[tuple[str, bool]]:
    """The names in a directory, and which are directories."""
    if not isinstance(store, fs.LocalFileSystem):
        for info in store.get_file_info(fs.FileSelector(str(root))):
            yield info.base_name, info.type == fs.FileType.Directory
        return
    whole = Path(root).resolve()
    above = {_identity(place.stat()) for place in (whole, *whole.parents)}
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            about = _about(entry)
            if about is None or _identity(about) in above:
                left.add("dangling" if about is None else "circle", entry.name)
            else:
                yield entry.name, stat.S_ISDIR(about.st_mode)


def matches(store: fs.FileSystem, root: PurePosixPath, inside: str, left: LeftOut) -> list[Listed]:
    """The files at a path: itself, those of a directory that match `inside`, or those of a glob; by whole paths.

    Raises ValueError for a FIFO, a socket or a device in place of a file.
    """
    if isinstance(store, fs.LocalFileSystem):
        return _local_matches(str(root), inside, left)
    info = store.get_file_info(str(root))
    if info.type == fs.FileType.File:
        return [Listed(info.path, info.size, info.mtime_ns)]
    fixed = root
    # A path that exists is itself, even with a glob's signs in its name.
    while any(map(glob.has_magic, fixed.parts)) and info.type == fs.FileType.NotFound:
        fixed = fixed.parent
    pattern = root if fixed != root else root / inside
    depth = len(pattern.parts) - len(fixed.parts)
    listed = store.get_file_info(fs.FileSelector(str(fixed), allow_not_found=True, recursive=depth > 1))
    files = [info for info in listed if info.type == fs.FileType.File]
    paths = [info.path for info in files if _match(PurePosixPath(info.path), pattern)]
    used = _without_clutter(paths, len(fixed.parts), pattern, left)
    if fixed == root:
        _note_others([info.path for info in listed], paths, left)
    return [Listed(info.path, info.size, info.mtime_ns) for info in files if info.path in used]


def _match(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    return len(path.parts) == len(pattern.parts) and all(map(fnmatch, path.parts, pattern.parts))


def _local_matches(root: str, inside: str, left: LeftOut) -> list[Listed]:
    if Path(root).exists() and not Path(root).is_dir():
        check_regular(root)
        about = Path(root).stat()
        return [Listed(root, about.st_size, about.st_mtime_ns)]
    is_folder = Path(root).is_dir()
    pattern = f"{glob.escape(root)}/{inside}" if is_folder else root
    found = sorted(glob.glob(pattern, include_hidden=True))  # noqa: PTH207  # pathlib skips what has no permission
    if is_folder:
        with os.scandir(root) as entries:
            _note_others([f"{root}/{entry.name}" for entry in entries], found, left)
    files = []
    start = len(PurePosixPath(root).parts) if is_folder else 0
    for path in sorted(_without_clutter(found, start, PurePosixPath(pattern), left)):
        try:
            about = os.stat(path)  # noqa: PTH116  # names need not be UTF-8
        except OSError:
            left.add("dangling", PurePosixPath(path).name)
            continue
        if stat.S_ISDIR(about.st_mode):
            left.add("outside", PurePosixPath(path).name)
            continue
        check_regular(path)
        files.append(Listed(path, about.st_size, about.st_mtime_ns))
    return files


def _without_clutter(paths: list[str], start: int, pattern: PurePosixPath, left: LeftOut) -> set[str]:
    """The paths without clutter that a glob has matched, from its part `start` on. What it names itself is meant."""
    used = set()
    for path in paths:
        parts = zip(PurePosixPath(path).parts[start:], pattern.parts[start:], strict=True)
        if any(is_clutter(part) and glob.has_magic(asked) and asked[0] != "." for part, asked in parts):
            left.add("clutter", PurePosixPath(path).name)
        else:
            used.add(path)
    return used


def _note_others(everything: list[str], used: list[str], left: LeftOut) -> None:
    """Notes what else lies in a directory whose files are used."""
    for path in sorted(set(everything) - set(used)):
        name = PurePosixPath(path).name
        left.add("clutter" if is_clutter(name) else "outside", name)

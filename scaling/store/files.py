"""Files of a local storage: written whole and durably, or not at all.

A file is written as a draft and flushed to the disk, renamed into place, and then the directory that names it is
flushed. So a loss of power leaves the old file or the new one, and no file without those that were written before it.
"""

import contextlib
import errno
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

MANIFEST = "MANIFEST.json"  # of a committed directory
PARALLEL = 2**23  # bytes of a directory from which on its files are read side by side
Digest = tuple[int, str]  # bytes and SHA-256 of a file


def below(root: Path, name: str) -> Path:
    """The path of a name in a directory. Raises ValueError for a name that leads out of it."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"{name!r} is no name of a file in a storage")
    return root / name


def write(draft: Path, target: Path, content: bytes) -> None:
    """Write a file by way of a draft. An older file of that name is replaced."""
    _fill(draft, content)
    make_directory(target.parent)
    draft.replace(target)
    flush(target.parent)


def publish(draft: Path, target: Path, manifest: tuple[str, bytes]) -> None:
    """Rename a directory, whose files are flushed already, into place with its manifest (name and content)."""
    _fill(draft / manifest[0], manifest[1])
    flush(draft)
    make_directory(target.parent)
    draft.rename(target)
    flush(target.parent)


def flushed_digests(directory: Path) -> dict[str, Digest]:
    """Bytes and SHA-256 of every file of a directory, by name, once they are on the disk."""
    paths = sorted(directory.iterdir())
    if sum(path.stat().st_size for path in paths) < PARALLEL:
        return {path.name: _flushed_digest(path) for path in paths}
    with ThreadPoolExecutor(len(paths)) as pool:  # a digest takes longer than the writing, and a processor each
        return dict(zip([path.name for path in paths], pool.map(_flushed_digest, paths), strict=True))


def _flushed_digest(path: Path) -> Digest:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return file.tell(), digest


def digest_of(path: Path) -> Digest:
    """Bytes and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def make_directory(path: Path) -> None:
    """Make a directory and those above it, each flushed in the one that names it."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        try:
            each.mkdir()
        except FileExistsError:  # somebody else has made it; if it is a file, the next step says so
            continue
        flush(each.parent)


def flush(directory: Path) -> None:
    """Bring a directory's names to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems flush no directories
            raise
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a draft, a file or a directory with what is in it. Links are removed, never followed."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        pass


def take_away(root: Path, target: Path, draft: Path) -> None:
    """Remove a file or directory, if it exists, by way of a draft: nobody sees half of it."""
    for parent in target.parents:
        if parent == root:
            break
        refuse_link(parent)
    try:
        target.rename(draft)
    except FileNotFoundError:
        if not draft.parent.is_dir():
            raise
    discard(draft)


def refuse_link(directory: Path) -> None:
    """Raise OSError if a directory of a storage is a link: it may lead anywhere."""
    if directory.is_symlink():
        raise OSError(errno.ELOOP, f"{directory} is a link, and may lead anywhere: put a directory in its place")


def _fill(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file directly in a directory, by name; none when it does not exist."""
    return {name: stat.st_size for name, stat in _stats(directory).items()}


def times(directory: Path) -> dict[str, float]:
    """When each file directly in a directory was last written, in s since 1970; none when it does not exist."""
    return {name: stat.st_mtime for name, stat in _stats(directory).items()}


def _stats(directory: Path) -> dict[str, os.stat_result]:
    found = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                if entry.is_file():
                    found[entry.name] = entry.stat()
    return found


def changes(directory: Path) -> dict[str, float]:
    """When each entry of a directory, or a file directly in it, was last changed, in s since 1970."""
    found = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                inside = _stats(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else {}
                times = [entry.stat(follow_symlinks=False), *inside.values()]
                found[entry.name] = max(each.st_mtime for each in times)
    return found

"""Where the files of a study are: a directory or an object store, with commits of all or nothing.

A `Storage` is a URI (`/data/study`, `s3://bucket/study`, `gs://...`), with the driver's settings after a question mark
(`s3://bucket/study?endpoint_override=host:9000&scheme=http`). On a disk a file is written under DRAFTS and renamed into
place. On an object store one put is atomic already, and a directory is committed by its manifest, which is put last.
"""

import contextlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyarrow import fs

from scaling.checks import read_regular
from scaling.store.place import check_place
from scaling.store.uri import as_written, encoded, opened_by_arrow, shown

MANIFEST = "MANIFEST.json"
# Not in a table's directory: polars reads `.x.parquet` there, and pyarrow `x.parquet.tmp`.
DRAFTS = ".tmp"  # where files and directories are written before they are renamed into place
OLD_SECONDS = 3600.0  # age from which on a draft is a dead process's
READERS = 32  # requests to an object store at once


@dataclass(frozen=True)
class Storage:
    """A place for files, which are named by relative POSIX paths. A plain value: it can be sent to workers."""

    uri: str

    @staticmethod
    def of(place: "str | Path | Storage") -> "Storage":
        """The storage at a path, made absolute, or a URI. Raises ValueError for what is neither, as `check_place` does,
        and when no driver knows the URI."""
        if isinstance(place, Storage):
            return place
        text = str(place)
        check_place(text)
        if "://" not in text:
            return Storage(str(Path(text).expanduser().absolute()))
        if text.startswith("file://"):
            return Storage(text.removeprefix("file://").rstrip("/") or "/")
        place, mark, settings = text.partition("?")
        storage = Storage(place.rstrip("/") + mark + settings)
        storage.filesystem()
        return storage

    @property
    def local(self) -> Path | None:
        """The directory; None on an object store."""
        return None if "://" in self.uri else Path(self.uri)

    def filesystem(self) -> tuple[fs.FileSystem, PurePosixPath]:
        """Arrow's file system, and the path of this storage in it."""
        if self.local is not None:
            return fs.LocalFileSystem(), PurePosixPath(self.uri)
        try:
            filesystem, root = fs.FileSystem.from_uri(encoded(self.uri))
        except (ValueError, OSError) as error:  # none of Arrow's own drivers: take any of fsspec's that is installed
            if opened_by_arrow(self.uri):
                place = shown(self.uri)
                raise ValueError(f"storage {place} cannot be opened: {str(error).splitlines()[0]}") from None
            filesystem, root = _fsspec(self.uri)
        return filesystem, PurePosixPath(root)

    def path(self, name: str) -> str:
        """The full path or URI of a file in this storage, as polars or a person opens it."""
        if self.local is not None:
            return f"{self.uri}/{name}"
        place, mark, settings = self.uri.partition("?")
        return f"{place}/{as_written(name) if opened_by_arrow(self.uri) else name}{mark}{settings}"

    def make(self) -> None:
        """Create the directory. Raises ValueError when nothing can be written there."""
        probe = f"{DRAFTS}/{uuid.uuid4().hex}"
        try:
            self.write(probe, b"")
        except OSError as error:
            raise ValueError(f"storage {self.uri} cannot be written: {error.strerror or error}") from None
        self.remove(probe)
        self._sweep_drafts()

    def exists(self, name: str) -> bool:
        """Whether there is a file, or a directory, of this name."""
        filesystem, root = self.filesystem()
        return bool(filesystem.get_file_info(str(root / name)).type != fs.FileType.NotFound)

    def list(self, directory: str) -> list[str]:
        """Names directly in a directory, sorted; none when it does not exist."""
        filesystem, root = self.filesystem()
        infos = filesystem.get_file_info(fs.FileSelector(str(root / directory), allow_not_found=True))
        return sorted(info.base_name for info in infos)

    def times(self, directory: str) -> dict[str, float | None]:
        """When each file in a directory was written, in s since 1970 by the storage's clock; None where unknown."""
        filesystem, root = self.filesystem()
        infos = filesystem.get_file_info(fs.FileSelector(str(root / directory), allow_not_found=True))
        return {info.base_name: info.mtime.timestamp() if info.mtime else None for info in infos if info.is_file}

    def read(self, name: str) -> bytes:
        """The content of a file. Raises OSError when it does not exist, ValueError for a FIFO and the like."""
        if self.local is not None:  # a third of the time that Arrow's files take
            return read_regular(self.local / name)
        filesystem, root = self.filesystem()
        return _content(filesystem, root / name)

    def read_all(self, names: Sequence[str]) -> Sequence[bytes]:
        """The contents of many files; of an object store several at once, since each costs a round trip."""
        if self.local is not None:
            return [self.read(name) for name in names]
        filesystem, root = self.filesystem()
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda name: _content(filesystem, root / name), names))

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all; an older one of that name is replaced."""
        if self.local is None:
            filesystem, root = self.filesystem()
            with filesystem.open_output_stream(str(root / name)) as file:
                file.write(content)
            return
        draft = self._draft()
        draft.write_bytes(content)
        target = self.local / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        filesystem, root = self.filesystem()
        with contextlib.suppress(FileNotFoundError):
            filesystem.delete_file(str(root / name))

    def delete(self, directory: str) -> None:
        """Remove a directory with its contents, if it exists. Interrupted, it leaves nothing that looks committed."""
        if self.local is not None:
            draft = self._draft()
            with contextlib.suppress(FileNotFoundError):
                (self.local / directory).rename(draft)  # gone as a whole, before its files are deleted one by one
                shutil.rmtree(draft)
        elif self.exists(directory):
            self.remove(f"{directory}/{MANIFEST}")  # first: without it nothing is committed
            filesystem, root = self.filesystem()
            filesystem.delete_dir(str(root / directory))

    def commit_directory(self, name: str, fill: Callable[[Path], None]) -> None:
        """Let `fill` write files into an empty directory, then publish it as `name`, whole or not at all.

        A directory that is committed already stays as it is: two attempts at the same step have the same content.
        """
        if self.local is None:
            if not self.committed(name):
                self._upload(name, fill)
            return
        draft = self._draft()
        draft.mkdir()
        fill(draft)
        target = self.local / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(target)
        except OSError:  # no directory can be renamed onto a full one: another attempt has committed it
            shutil.rmtree(draft)
            if not target.is_dir():
                raise

    def committed(self, name: str) -> bool:
        """Whether the directory `name` was published by `commit_directory`."""
        # On a disk a directory appears by one rename, whole; on an object store file by file.
        return self.exists(name if self.local is not None else f"{name}/{MANIFEST}")

    def _draft(self) -> Path:
        assert self.local is not None
        drafts = self.local / DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        return drafts / uuid.uuid4().hex

    def _sweep_drafts(self) -> None:
        """Remove drafts that killed processes left behind, but none so young that a living process may write it."""
        if self.local is None:
            return
        for draft in (self.local / DRAFTS).iterdir():
            if time.time() - draft.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink(missing_ok=True)

    def _upload(self, name: str, fill: Callable[[Path], None]) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder))
            files = sorted(Path(folder).iterdir())
            for file in files:
                self.write(f"{name}/{file.name}", file.read_bytes())
            # Last: a reader that sees the manifest sees all that it lists.
            self.write(f"{name}/{MANIFEST}", json.dumps([file.name for file in files]).encode())


def _content(filesystem: fs.FileSystem, path: PurePosixPath) -> bytes:
    with filesystem.open_input_file(str(path)) as file:
        return bytes(file.read())


def _fsspec(uri: str) -> tuple[fs.FileSystem, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise ValueError(f"storage {uri}: {error}") from None
    filesystem.invalidate_cache()  # fsspec caches drivers, with the listings of earlier calls
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root

"""Where the files of a study are: a directory or an object store, with commits of all or nothing.

A `Storage` is a URI (`/data/study`, `s3://bucket/study`, `gs://...`), with the driver's settings after a question mark
(`s3://bucket/study?endpoint_override=host:9000&scheme=http`). On a disk a file is written under DRAFTS, flushed and
renamed into place. On an object store one put is atomic already. A directory is committed with a manifest, on an object
store by its manifest, which is put last.

`storage.under(token)` is the same storage in the hands of the driver that holds its lease by that claim, and of its
workers. What they write or remove is refused with a LostLeaseError once another process has taken over: on a disk each
commit is a rename out of the driver's own directory of drafts, and each removal one into it, and a take-over moves that
directory away first; on an object store the driver's marker is looked up before each request that changes anything.
"""

import contextlib
import hashlib
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pyarrow import fs

from scaling.checks import check_regular, read_regular
from scaling.store import files
from scaling.store.claims import abandoned, claim_file, driver_directory, marker, owner_of, process_draft
from scaling.store.errors import LostLeaseError, StorageError, cannot, reason
from scaling.store.files import MANIFEST, Digest, below
from scaling.store.place import check_place
from scaling.store.uri import as_written, file_system, opened_by_arrow, shown

# Not in a table's directory: polars reads `.x.parquet` there, and pyarrow `x.parquet.tmp`.
DRAFTS = ".tmp"  # where files and directories are written before they are renamed into place
READERS = 32  # requests to an object store at once


@dataclass(frozen=True)
class Storage:
    """A place for files, which are named by relative POSIX paths. A plain value: it can be sent to workers.

    Every method raises StorageError, one line that names the path, where the storage does not do as it is told.
    """

    uri: str
    token: str | None = field(default=None, compare=False, repr=False)  # of the claim that it is written under

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

    def under(self, token: str | None) -> "Storage":
        """This storage in the hands of the claim `token`, and of the workers that get this value; None: of nobody's."""
        return replace(self, token=token)

    def filesystem(self) -> tuple[fs.FileSystem, PurePosixPath]:
        """Arrow's file system, and the path of this storage in it."""
        if self.local is not None:
            return fs.LocalFileSystem(), PurePosixPath(self.uri)
        try:
            return file_system(self.uri)
        except OSError as error:
            raise cannot(f"storage {self.place}", "opened", error) from error

    def path(self, name: str) -> str:
        """The full path or URI of a file in this storage, as polars or a person opens it."""
        if self.local is not None:
            return f"{self.uri}/{name}"
        place, mark, settings = self.uri.partition("?")
        return f"{place}/{as_written(name) if opened_by_arrow(self.uri) else name}{mark}{settings}"

    def exists(self, name: str) -> bool:
        """Whether there is a file, or a directory, of this name."""
        if self.local is not None:
            with self._local(name, "read") as path:
                return path.exists()
        with self.requesting(name, "read") as (filesystem, path):
            return bool(filesystem.get_file_info(str(path)).type != fs.FileType.NotFound)

    def list(self, directory: str) -> list[str]:
        """Names directly in a directory, sorted; none when it does not exist."""
        if self.local is not None:
            with contextlib.suppress(FileNotFoundError), self._local(directory, "read") as path:
                return sorted(each.name for each in path.iterdir())
            return []
        return sorted(info.base_name for info in self._infos(directory))

    def sizes(self, directory: str) -> Mapping[str, int]:
        """Bytes of each file directly in a directory, by name; none when it does not exist."""
        if self.local is not None:
            with self._local(directory, "read") as path:
                return files.sizes(path)
        return {info.base_name: info.size for info in self._infos(directory) if info.is_file}

    def times(self, directory: str) -> dict[str, float | None]:
        """When each file in a directory was written, in s since 1970 by the storage's clock; None where unknown."""
        if self.local is not None:
            with self._local(directory, "read") as path:
                return dict(files.times(path))
        infos = [info for info in self._infos(directory) if info.is_file]
        return {info.base_name: info.mtime.timestamp() if info.mtime else None for info in infos}

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError without one, ValueError for a FIFO and the like."""
        if self.local is not None:  # a third of the time that Arrow's files take
            with self._local(name, "read") as target:
                return read_regular(target)
        with self.requesting(name, "read") as (filesystem, path), filesystem.open_input_file(str(path)) as file:
            return bytes(file.read())

    def read_or_none(self, name: str) -> bytes | None:
        """The content of a file; None when it does not exist."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def read_all(self, names: Sequence[str]) -> Sequence[bytes]:
        """The contents of many files; of an object store several at once, since each costs a round trip."""
        if self.local is not None:
            return [self.read(name) for name in names]
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self.read, names))

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all; an older one of that name is replaced. On return it is on the disk."""
        if self.local is not None:
            with self.changing(name, "written") as (draft, target):
                files.write(draft, target, content)
            return
        with self.requesting(name, "written") as (filesystem, path), filesystem.open_output_stream(str(path)) as file:
            file.write(content)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        if self.local is not None:
            with self.changing(name, "removed") as (draft, target):
                files.take_away(self.local, target, draft)
            return
        with contextlib.suppress(FileNotFoundError), self.requesting(name, "removed") as (filesystem, path):
            filesystem.delete_file(str(path))

    def delete(self, directory: str) -> None:
        """Remove a directory with its contents, if it exists. Interrupted, it leaves nothing that looks committed."""
        if self.local is not None:
            with self.changing(directory, "removed") as (draft, target):
                # Gone as a whole, before its files are deleted one by one.
                files.take_away(self.local, target, draft)
            return
        if self.exists(directory):
            self.remove(f"{directory}/{MANIFEST}")  # first: without it nothing is committed
            with self.requesting(directory, "removed") as (filesystem, path):
                filesystem.delete_dir(str(path))

    def committed(self, name: str) -> bool:
        """Whether the directory `name` was published by `directories.commit_directory`."""
        # On a disk a directory appears by one rename, whole; on an object store file by file.
        return self.exists(name if self.local is not None else f"{name}/{MANIFEST}")

    def digest(self, name: str) -> Digest:
        """Bytes and SHA-256 of a file. Raises FileNotFoundError when it does not exist."""
        if self.local is not None:  # without a copy in memory
            with self._local(name, "read") as target:
                check_regular(target)  # a pipe would be waited for
                return files.digest_of(target)
        content = self.read(name)
        return len(content), hashlib.sha256(content).hexdigest()

    def shown(self, name: str) -> str:
        """The path or URI of a file for people: without the URI's settings, which may hold keys."""
        return f"{self.place}/{name}"

    @property
    def place(self) -> str:
        """The storage itself, as `shown`."""
        return self.uri if self.local is not None else shown(self.uri)

    def make(self) -> None:
        """Create the storage and remove what ended processes left there. Raises ValueError when it takes no files."""
        probe = f"{DRAFTS}/{process_draft()}"
        try:
            self.under(None).write(probe, b"")
            self.under(None).remove(probe)
        except StorageError as error:
            raise StorageError(f"storage {self.place} cannot be written: {reason(error.__cause__ or error)}") from error
        self.sweep()

    def sweep(self, lost: Collection[str] = ()) -> None:
        """Remove the drafts of drivers and processes that have ended, and those of the claims `lost`.

        What belongs to a living process stays, and so does what has no name of ours.
        """
        free = self.under(None)
        for name, changed in self._drafts().items():
            owner = owner_of(name)
            token = owner.token if owner else None
            claim = self.read_or_none(claim_file(token)) if token and token not in lost else None
            if owner is not None and abandoned(owner, changed, claim):
                free.remove(f"{DRAFTS}/{name}")
                free.delete(f"{DRAFTS}/{name}")

    def scratch(self) -> str:
        """A new name for a directory of Ray's, which goes with the driver, or the process, that writes here."""
        owner = process_draft() if self.token is None else f"{driver_directory(self.token)}-{uuid.uuid4().hex}"
        return f"{DRAFTS}/ray-{owner}"

    def hold(self, token: str) -> None:
        """Make the directory of a driver's drafts, without which it commits nothing. Only its claim does so."""
        if self.local is not None:
            with self._local(DRAFTS, "written") as drafts:
                files.make_directory(drafts / driver_directory(token))

    def _drafts(self) -> dict[str, float]:
        """What lies under DRAFTS, and when each was last changed, in s since 1970."""
        if self.local is not None:
            with self._local(DRAFTS, "read") as drafts:
                files.refuse_link(drafts)
                return dict(files.changes(drafts))
        changed: dict[str, float] = {}
        for info in self._infos(DRAFTS, recursive=True):
            name = PurePosixPath(info.path).relative_to(self.filesystem()[1] / DRAFTS).parts[0]
            changed[name] = max(changed.get(name, 0.0), info.mtime.timestamp() if info.mtime else 0.0)
        return changed

    def _infos(self, directory: str, recursive: bool = False) -> Sequence[fs.FileInfo]:
        with self.requesting(directory, "read") as (filesystem, path):
            selector = fs.FileSelector(str(path), allow_not_found=True, recursive=recursive)
            return list(filesystem.get_file_info(selector))

    @contextlib.contextmanager
    def requesting(self, name: str, done: str) -> Iterator[tuple[fs.FileSystem, PurePosixPath]]:
        """An object store's file system and a path in it; errors name the path, and changes need the lease."""
        if name or done != "read":  # the whole storage can be listed, not removed
            below(Path("/"), name)
        if done != "read" and self.token is not None and not self.exists(marker(self.token)):
            raise self._lost()
        try:
            filesystem, root = self.filesystem()
            yield filesystem, root / name
        except (FileNotFoundError, StorageError):
            raise
        except Exception as error:  # drivers have classes of their own
            raise cannot(self.shown(name), done, error) from error

    @contextlib.contextmanager
    def _local(self, name: str, done: str) -> Iterator[Path]:
        """A path in a local storage; errors name it."""
        assert self.local is not None
        path = below(self.local, name) if name or done != "read" else self.local
        try:
            yield path
        except OSError as error:
            if isinstance(error, StorageError) or (done == "read" and isinstance(error, FileNotFoundError)):
                raise
            raise cannot(str(path), done, error) from error

    @contextlib.contextmanager
    def changing(self, name: str, done: str) -> Iterator[tuple[Path, Path]]:
        """A path for a draft and the path of a name in a local storage; errors name it, and none leaves the draft."""
        with self._local(name, done) as target:
            assert self.local is not None
            drafts = self.local / DRAFTS
            files.refuse_link(drafts)
            if self.token is None:
                files.make_directory(drafts)
                draft = drafts / process_draft()
            else:
                drafts /= driver_directory(self.token)  # made by `hold` alone
                draft = drafts / uuid.uuid4().hex
            try:
                yield draft, target
            except Exception as error:
                if self.token is not None and not drafts.is_dir():
                    raise self._lost() from error
                raise
            finally:
                files.discard(draft)

    def _lost(self) -> LostLeaseError:
        return LostLeaseError(
            f"storage {self.place} was taken over by another process: this one has stopped, what is done stays done"
        )

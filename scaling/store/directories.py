"""Directories that are committed whole, with a manifest of their files' digests, and checked when they are read."""

import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scaling.checks import check_regular
from scaling.store import files
from scaling.store.errors import cannot
from scaling.store.files import MANIFEST, Digest
from scaling.store.manifest import DamagedError, Files, check_digest, digest, manifest_of, parse_manifest
from scaling.store.storage import Storage

T = TypeVar("T")
DAMAGED = "damaged"  # where committed directories go that were found damaged


@dataclass(frozen=True)
class Committed:
    """A committed directory that is being read."""

    storage: Storage
    name: str
    files: Files | None  # None: it is older than manifests, and nothing can be checked

    @property
    def checked(self) -> bool:
        """Whether there are digests to check all of its files by."""
        return self.files is not None and None not in self.files.values()

    def has(self, file: str) -> bool:
        return self.storage.exists(self._name(file)) if self.files is None else file in self.files

    def path(self, file: str) -> str:
        """The path or URI of a file for people."""
        return self.storage.shown(self._name(file))

    def _name(self, file: str) -> str:
        return f"{self.name}/{file}" if self.name else file

    def read(self, file: str) -> bytes:
        """The content of a file, as it was written. Raises DamagedError, which names the file, if it is not."""
        self._check_size(file)
        content = self._found(file, self.storage.read)
        self._check(file, digest(content))
        return content

    def digest(self, file: str) -> Digest:
        """Bytes and SHA-256 of a file, as it was written. Raises DamagedError if it is not."""
        self._check_size(file)
        found = self._found(file, self.storage.digest)
        self._check(file, found)
        return found

    def check(self) -> None:
        """Raise DamagedError, naming the first file that is not as it was written."""
        for file in self.files or ():
            self.digest(file)

    def _check_size(self, file: str) -> None:
        """On a disk, before all of it is read: it may be of any size."""
        expected = (self.files or {}).get(file)
        if self.storage.local is not None:
            path = self.storage.local / self._name(file)
            check_regular(path)
            size = self._found(file, lambda name: path.stat().st_size)
            if size == 0 or (expected is not None and size != expected[0]):
                self._check(file, (size, ""))

    def _found(self, file: str, read: Callable[[str], T]) -> T:
        try:
            return read(self._name(file))
        except FileNotFoundError:
            raise DamagedError(f"{self.path(file)} is missing") from None

    def _check(self, file: str, found: Digest) -> None:
        if found[0] == 0:
            raise DamagedError(f"{self.path(file)} is empty")
        if self.files is not None:
            check_digest(self.path(file), found, self.files.get(file))


def open_directory(storage: Storage, name: str) -> Committed:
    """A committed directory; '' is the storage itself. Raises DamagedError if its manifest is not as it was written."""
    manifest = f"{name}/{MANIFEST}" if name else MANIFEST
    try:
        return Committed(storage, name, parse_manifest(storage.read(manifest), storage.shown(manifest)))
    except FileNotFoundError:
        return Committed(storage, name, None)


def commit_directory(storage: Storage, name: str, fill: Callable[[Path], object]) -> Mapping[str, Digest]:
    """Let `fill` write files into an empty directory, then publish it as `name`, whole or not at all.

    A directory that is committed already stays as it is, if it is whole: two attempts at the same step have the same
    content. One that is damaged is set aside. Returns bytes and SHA-256 of the files that lie there.
    """
    if storage.local is None:
        return _upload(storage, name, fill)
    with storage.changing(name, "written") as (draft, target):
        draft.mkdir()
        fill(draft)
        digests = files.flushed_digests(draft)
        there = _there(storage, name, digests)
        if there is None:
            files.publish(draft, target, (MANIFEST, manifest_of(digests)))
    return there or digests


def _upload(storage: Storage, name: str, fill: Callable[[Path], object]) -> Mapping[str, Digest]:
    try:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder))
            contents = {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
    except OSError as error:
        raise cannot(tempfile.gettempdir(), "written", error) from error
    digests = {file: digest(content) for file, content in contents.items()}
    there = _there(storage, name, digests)
    if there is not None:
        return there
    for file, content in contents.items():
        storage.write(f"{name}/{file}", content)
    # Last: a reader that sees the manifest sees all that it lists.
    storage.write(f"{name}/{MANIFEST}", manifest_of(digests))
    return digests


def _there(storage: Storage, name: str, digests: Mapping[str, Digest]) -> dict[str, Digest] | None:
    """What a directory that is to be published holds already, if it is whole; if it is not, it is set aside."""
    if not storage.committed(name):
        return None
    try:
        found = open_directory(storage, name)
        there = {file: found.digest(file) for file in digests}
        if found.checked or there == digests:
            return there
    except DamagedError:
        pass
    set_aside(storage, name)
    return None


def set_aside(storage: Storage, name: str) -> str:
    """Move a committed directory that is damaged to DAMAGED, where nothing takes it up. Returns its name there."""
    aside = f"{DAMAGED}/{name.removeprefix('checkpoints/').replace('/', '-')}-{uuid.uuid4().hex[:8]}"
    if storage.local is not None:
        with storage.changing(name, "moved") as (draft, target):
            target.rename(draft)  # out of sight in one step, and only by the lease's holder
            files.make_directory(storage.local / DAMAGED)
            draft.rename(storage.local / aside)
        return aside
    storage.remove(f"{name}/{MANIFEST}")  # first: without it nothing is committed
    for file in storage.list(name):
        with storage.requesting(f"{name}/{file}", "moved") as (driver, path):
            driver.move(str(path), str(storage.filesystem()[1] / aside / file))
    return aside

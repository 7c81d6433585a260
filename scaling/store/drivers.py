"""File systems of object stores: one per URI and process, whose errors are one line each."""

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from pyarrow import fs

from scaling.store.errors import StorageError, cannot

_environment = threading.RLock()


@contextlib.contextmanager
def still_environment() -> Iterator[None]:
    """Around code that sets environment variables, as Ray's start does, and around requests of another thread.

    Drivers read the environment at each request. In the C library that is not safe while another thread changes it:
    the process ends with SIGSEGV. So the two take turns.
    """
    with _environment:
        yield


def file_system(uri: str) -> tuple[fs.FileSystem, PurePosixPath]:
    """The file system of an object store's URI, and the path in it; made at its first use in each process.

    The first use belongs before threads are started: a driver that is made reads the environment as well. Raises
    ValueError when no driver knows the URI.
    """
    filesystem, root = _made(uri, os.getpid())  # a parent's connections do not work in its children
    if isinstance(filesystem, fs.PyFileSystem):
        filesystem.handler.fs.invalidate_cache()  # fsspec keeps the listings of earlier calls
    return filesystem, root


@cache
def _made(uri: str, process: int) -> tuple[fs.FileSystem, PurePosixPath]:
    try:
        filesystem, root = fs.FileSystem.from_uri(uri)
    except (ValueError, NotImplementedError):  # none of Arrow's own drivers: take any of fsspec's that is installed
        filesystem, root = _fsspec(uri)
    except OSError as error:
        raise cannot(place_of(uri), "opened", error) from error
    return filesystem, PurePosixPath(root)


def _fsspec(uri: str) -> tuple[fs.FileSystem, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise ValueError(f"storage {uri}: {error}") from None
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root


def place_of(uri: str) -> str:
    """A URI without its settings and login, which may hold keys."""
    scheme, mark, rest = uri.partition("?")[0].partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


@contextlib.contextmanager
def told(path: str, done: str) -> Iterator[None]:
    """Turn a driver's error into a StorageError of one line; that a file does not exist stays FileNotFoundError."""
    try:
        yield
    except (FileNotFoundError, StorageError):
        raise
    except Exception as error:  # drivers have classes of their own
        raise cannot(path, done, error) from error

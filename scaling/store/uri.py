"""Object stores: URIs as people write them, made into those that Arrow's drivers take, and a driver for each."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from urllib.parse import quote

from pyarrow import fs

OWN_DRIVERS = ("s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")  # schemes that Arrow opens itself
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
SAFE = "%/:@!$&'()*+,;=~"  # may stand in a path as they are
_environment = threading.RLock()


def encoded(uri: str) -> str:
    """A URI whose key has any characters, such as `s3://bucket/my runs/#1 ü`, percent-encoded as Arrow needs it.

    What is encoded already stays: `%20` is a space, as it always was, and a percent sign before two hexadecimal digits
    is written `%25`. The first question mark begins the driver's settings: one in a key is written `%3F`.
    """
    place, mark, settings = LONE_PERCENT.sub("%25", uri).partition("?")
    scheme, colon, rest = place.partition("://")
    return scheme + colon + quote(rest, safe=SAFE) + mark + quote(settings, safe=SAFE + "?")


def as_written(name: str) -> str:
    """A file's name as a part of a URI that `encoded` reads back: only what would mean something else is encoded."""
    return name.replace("%", "%25").replace("?", "%3F")


def shown(uri: str) -> str:
    """A URI for a message: without the login before its bucket, and without settings, either of which may hold keys."""
    scheme, colon, rest = uri.partition("?")[0].partition("://")
    login, at, place = rest.rpartition("@")
    # an at sign after a slash may be the key's own: then the bucket's name stands before it
    return f"{scheme}{colon}" + (f"...@{place}" if at and ":" in login else rest)


def opened_by_arrow(uri: str) -> bool:
    """Whether Arrow has a driver of its own for it, so that nothing has to be installed."""
    return uri.partition("://")[0] in OWN_DRIVERS


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
        filesystem, root = fs.FileSystem.from_uri(encoded(uri))
    except (ValueError, OSError, NotImplementedError) as error:
        if opened_by_arrow(uri) and not isinstance(error, NotImplementedError):
            raise OSError(str(error)) from None
        # None of Arrow's own drivers: take any of fsspec's that is installed.
        filesystem, root = _fsspec(uri)
    return filesystem, PurePosixPath(root)


def _fsspec(uri: str) -> tuple[fs.FileSystem, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise ValueError(f"storage {shown(uri)}: {error}") from None
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root

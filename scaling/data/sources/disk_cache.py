"""A cache on this machine's disk for arrays that take long to make, shared by processes and kept for later runs.

Its files lie in the user's cache directory and may be deleted at any time.
"""

import contextlib
import hashlib
import io
import os
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
Arrays = Mapping[str, np.ndarray]


def directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling-studies"


def disk_cached(key: tuple[object, ...], make: Callable[[], Arrays]) -> Arrays:
    """`make()`, or what it returned earlier for the same `key`, which must hold everything that the result depends on.

    Without a directory that can be written to, the arrays are made every time.
    """
    name = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
    try:
        content = io.BytesIO((directory() / f"{name}.npz").read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            return dict(arrays)
    except (*UNREADABLE, RuntimeError):  # RuntimeError: there is no home directory
        pass
    arrays = make()
    with contextlib.suppress(OSError, RuntimeError):
        directory().mkdir(parents=True, exist_ok=True)
        draft = directory() / f"{name}.{uuid.uuid4().hex}.draft"
        try:
            with draft.open("wb") as out:
                np.savez_compressed(out, **dict(arrays))  # type: ignore[arg-type]  # its stubs take a name for a flag
            # Renamed into place, so that another process reads all of it or nothing.
            draft.replace(directory() / f"{name}.npz")
        finally:
            draft.unlink(missing_ok=True)
    return arrays

"""The manifest of a committed directory: bytes and SHA-256 of each file, and a digest of itself."""

import hashlib
import json
from collections.abc import Mapping

from scaling.checks import NAME
from scaling.store.files import MANIFEST, Digest

Files = dict[str, Digest | None]  # by name; None: the manifest is of an earlier version and lists names alone


class DamagedError(ValueError):
    """A file does not hold what was written to it."""


def manifest_of(digests: Mapping[str, Digest]) -> bytes:
    """The manifest of files with these digests."""
    files = {name: {"bytes": size, "sha256": sha256} for name, (size, sha256) in sorted(digests.items())}
    whole = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": files, "sha256": whole}, indent=1).encode()


def parse_manifest(content: bytes, path: str) -> Files:
    """The files that a manifest lists. Raises DamagedError, naming its path, when it is not as it was written."""
    try:
        value = json.loads(content)
        if isinstance(value, list):  # on object stores up to version 0.1.0
            if value and all(isinstance(name, str) and NAME.fullmatch(name) for name in value):
                return dict.fromkeys(value)
        else:
            digests = {name: (entry["bytes"], entry["sha256"]) for name, entry in value["files"].items()}
            if all(map(NAME.fullmatch, digests)) and manifest_of(digests) == content:
                return dict(digests)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise DamagedError(f"{path} is damaged: it is not as it was written")


def check_digest(path: str, found: Digest, expected: Digest | None) -> None:
    """Raise DamagedError if a file's digest is another one than its manifest's."""
    if expected is not None and found != expected:
        raise DamagedError(f"{path} is damaged: its bytes do not fit the digest in {MANIFEST}")


def digest(content: bytes) -> Digest:
    return len(content), hashlib.sha256(content).hexdigest()

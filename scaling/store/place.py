"""Which texts name a place of files: what is refused before a driver looks at it."""

from pathlib import Path
from urllib.parse import urlsplit

BUCKETS = ("s3", "s3a", "s3n", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "cos", "hf")  # scheme://BUCKET/PATH
# What cannot be written, or is gone with the process that wrote it.
NOT_LASTING = ("http", "https", "ftp", "data", "memory", "github", "git", "zip", "tar")
SCHEMES = (*BUCKETS, *NOT_LASTING, "file", "hdfs", "sftp", "ssh")


def check_place(text: str) -> None:
    """Raise ValueError for a text that cannot be the path or URI of a place: an empty one, one without a bucket."""
    if text.strip() == "":
        raise ValueError(f"a place for files is a directory or a URI such as s3://BUCKET/PATH, got {text!r}")
    if "\0" in text:
        raise ValueError(f"a path has no null characters, got {text!r}")
    scheme, mark, _ = text.partition(":")
    if mark and "://" not in text and scheme.lower() in SCHEMES:  # else s3:/bucket would be a directory 's3:'
        raise ValueError(f"{text!r} is no URI: it begins with {scheme.lower()}://")
    if "://" in text:
        _check_uri(text)
        return
    try:
        Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r} names a user whose home directory is not known: give the whole path") from None


def _check_uri(text: str) -> None:
    try:
        parts = urlsplit(text.partition("?")[0])
    except ValueError as error:
        raise ValueError(f"{text!r} is no URI: {error}") from None
    if parts.scheme in BUCKETS and not parts.netloc.strip("/@:"):
        raise ValueError(f"{text!r} names no bucket: {parts.scheme}://BUCKET/PATH")
    if parts.scheme == "file" and parts.netloc:
        raise ValueError(f"{text!r} names a machine, {parts.netloc!r}: give file:///PATH, or the path alone")
    if parts.scheme == "file" and not parts.path.strip("/"):
        raise ValueError(f"{text!r} has no path: give file:///PATH, or the path alone")


def check_lasting(text: str) -> None:
    """Raise ValueError for a place that nothing can be kept in: one that cannot be written, or that is no directory of
    somebody's own."""
    check_place(text)
    if "://" not in text and Path(text).expanduser().resolve() == Path("/"):
        raise ValueError(f"{text!r} is the root of the machine's files: give a directory")
    if "://" in text and urlsplit(text).scheme in NOT_LASTING:
        raise ValueError(f"{text!r} keeps nothing that is written: give a directory, or a URI such as s3://BUCKET/PATH")

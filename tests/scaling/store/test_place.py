"""Texts that name no place of files are refused before a driver looks at them, or a directory is made."""

import re
from pathlib import Path

import pytest

from scaling.console.cli import storage_of
from scaling.store.storage import Storage

NO_BUCKET = "names no bucket"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a place for files is a directory or a URI"),
        ("  ", "a place for files is a directory or a URI"),
        ("results\0x", "has no null characters"),
        ("file://", "has no path"),
        ("file:///", "has no path"),
        ("file://host/study", "names a machine, 'host'"),
        ("file:/study", "begins with file://"),
        ("s3://", NO_BUCKET),
        ("s3:///study", NO_BUCKET),
        ("s3://?region=eu", NO_BUCKET),
        ("s3://@/study", NO_BUCKET),
        ("gs://", NO_BUCKET),
        ("s3:", "begins with s3://"),
        ("s3:/bucket/study", "begins with s3://"),
        ("S3:/bucket", "begins with s3://"),
        ("gs:bucket", "begins with gs://"),
        ("~nobody-here/study", "names a user whose home directory is not known"),
        ("nothing-like-it://study", "Protocol not known"),
    ],
)
def test_what_is_no_place_is_refused(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for of in (Storage.of, storage_of):
        with pytest.raises(ValueError, match=re.escape(message)) as raised:
            of(text)
        assert text.strip() in str(raised.value).encode().decode("unicode_escape")
        assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["http://host/study", "https://host/study", "memory://", "memory://x", "ftp://h/x", "/", "//", "/usr/.."]
)
def test_what_keeps_nothing_is_no_storage(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        storage_of(text)


@pytest.mark.parametrize("text", ["results", "a:b", "s3", "C:/x", "~/x", "~", "2:1/x", " x ", "a://b"[:2]])
def test_directories_stay_directories(text: str) -> None:
    assert Storage.of(text).uri == str(Path(text).expanduser().absolute())
    assert storage_of(text) == Storage.of(text)


def test_file_uris_are_their_paths(tmp_path: Path) -> None:
    assert storage_of(f"file://{tmp_path}/a b/").local == tmp_path / "a b"

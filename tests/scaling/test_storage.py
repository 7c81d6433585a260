"""Commits are whole or absent, on a directory and on an object store."""

import uuid
from pathlib import Path

import pytest

from scaling.storage import Storage


@pytest.fixture(params=["local", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Storage.of(tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}")


def test_write_read_list_delete(place: Storage) -> None:
    assert place.list("rows") == []
    place.write("rows/b.txt", b"1")
    place.write("rows/a.txt", b"2")
    place.write("rows/b.txt", b"3")
    assert place.list("rows") == ["a.txt", "b.txt"]
    assert place.read("rows/b.txt") == b"3"
    assert place.exists("rows/a.txt")
    assert not place.exists("rows/c.txt")
    place.delete("rows")
    place.delete("rows")
    assert place.list("rows") == []


def test_a_directory_is_committed_whole(place: Storage) -> None:
    place.commit_directory("step/1", lambda folder: (folder / "weights").write_bytes(b"w") and None)
    assert place.committed("step/1")
    assert place.read("step/1/weights") == b"w"

    def fails(folder: Path) -> None:
        (folder / "weights").write_bytes(b"half")
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        place.commit_directory("step/2", fails)
    assert not place.committed("step/2")


def test_the_first_commit_of_a_directory_stays(tmp_path: Path) -> None:
    place = Storage.of(tmp_path)
    place.commit_directory("step/1", lambda folder: (folder / "weights").write_bytes(b"first") and None)
    place.commit_directory("step/1", lambda folder: (folder / "weights").write_bytes(b"second") and None)
    assert place.read("step/1/weights") == b"first"
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_a_half_uploaded_directory_is_not_committed() -> None:
    place = Storage.of(f"memory://{uuid.uuid4().hex}")
    place.write("step/1/weights", b"w")
    assert not place.committed("step/1")


def test_a_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Storage.of("here").uri == str(tmp_path / "here")
    assert Storage.of(f"file://{tmp_path}/here/").local == tmp_path / "here"


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"storage .*file/x cannot be written"):
        Storage.of(tmp_path / "file" / "x").make()
    with pytest.raises(ValueError, match="storage nonsense://x"):
        Storage.of("nonsense://x")

"""Commits are whole or absent, on a directory and on an object store."""

import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scaling.checkpoints.upstream import read_weights
from scaling.data.catalog import LAYOUTS
from scaling.schedule.pairs import Pair, fixed_settings
from scaling.specs.pretraining import Scratch
from scaling.specs.study import Task
from scaling.store import frames, leftovers, results
from scaling.store.directories import commit_directory
from scaling.store.storage import Storage
from scaling.training import state
from tests.helpers.rows import trial_row
from tests.helpers.specs import TINY


def test_write_read_list_delete(place: Storage) -> None:
    assert place.list("rows") == []
    place.write("rows/b.txt", b"1")
    place.write("rows/a.txt", b"2")
    place.write("rows/b.txt", b"3")
    assert place.list("rows") == ["a.txt", "b.txt"]
    assert place.times("rows").keys() == {"a.txt", "b.txt"}
    assert place.read("rows/b.txt") == b"3"
    assert place.read_all(["rows/b.txt", "rows/a.txt"]) == [b"3", b"2"]
    assert place.exists("rows/a.txt")
    assert not place.exists("rows/c.txt")
    place.remove("rows/a.txt")
    place.remove("rows/a.txt")
    assert place.list("rows") == ["b.txt"]
    with pytest.raises(FileNotFoundError):
        place.read("rows/a.txt")
    place.delete("rows")
    place.delete("rows")
    assert place.list("rows") == []


def writes(content: bytes) -> Callable[[Path], None]:
    """Fills a directory."""

    def fill(folder: Path) -> None:
        (folder / "weights").write_bytes(content)

    return fill


def test_a_directory_is_committed_whole(place: Storage) -> None:
    commit_directory(place, "step/1", writes(b"w"))
    assert place.committed("step/1")
    assert place.read("step/1/weights") == b"w"

    def fails(folder: Path) -> None:
        (folder / "weights").write_bytes(b"half")
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        commit_directory(place, "step/2", fails)
    assert not place.committed("step/2")


class Dying:
    """A file system, or a module, of a process that is killed when it comes to delete files."""

    def __init__(self, whole: object) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> object:
        if name in ("delete_dir", "rmtree"):
            raise KeyboardInterrupt
        return getattr(self._whole, name)


def test_a_deletion_that_is_cut_off_leaves_nothing_committed(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_directory(place, "step/1", writes(b"w"))
    driver, root = place.filesystem()
    with monkeypatch.context() as patch:
        patch.setattr("scaling.store.files.shutil", Dying(shutil))
        patch.setattr(Storage, "filesystem", lambda self: (Dying(driver), root))
        with pytest.raises(KeyboardInterrupt):
            place.delete("step/1")
    assert not place.committed("step/1")


def test_the_first_commit_of_a_directory_stays(place: Storage, tmp_path: Path) -> None:
    commit_directory(place, "step/1", writes(b"first"))
    commit_directory(place, "step/1", writes(b"second"))
    assert place.read("step/1/weights") == b"first"
    assert place.list(".tmp") == []


@pytest.mark.parametrize("place", ["fsspec", "s3"], indirect=True)
def test_a_half_uploaded_directory_is_not_committed(place: Storage) -> None:
    place.write("step/1/weights", b"w")
    assert not place.committed("step/1")


def test_a_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Storage.of("here").uri == str(tmp_path / "here")
    assert Storage.of(f"file://{tmp_path}/here/").local == tmp_path / "here"


def test_a_path_has_the_settings_of_its_storage(s3: Storage) -> None:
    s3.make()
    s3.write("step/1/weights", b"w")
    below = Storage.of(s3.path("step/1"))
    assert below.read("weights") == b"w"
    assert below.uri.startswith("s3://bucket/")
    assert "/step/1?endpoint_override=" in below.uri


def test_a_question_mark_in_a_local_path_is_part_of_it(tmp_path: Path) -> None:
    place = Storage.of(tmp_path / "why?")
    place.write("a", b"1")
    assert place.path("a") == f"{tmp_path}/why?/a"
    assert (tmp_path / "why?" / "a").is_file()


def test_rows_and_checkpoints(place: Storage) -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(2, 2)
    now = state.State(module, torch.optim.SGD(module.parameters(), 0.1, momentum=0.9), None, deque([1.0]))
    for now.step in (10, 20, 30):
        state.save_state(place, "unit", now)
    assert place.list("checkpoints/unit") == ["000000020", "000000030"]
    newest = state.latest_state(place, "unit")
    assert newest is not None
    state.resume_state(place, newest, now)
    assert now.step == 30
    state.save_final_weights(place, "unit", module, "{}")
    leftovers.clear_checkpoints(place, "unit")
    assert place.list("checkpoints/unit") == ["final"]
    weights = read_weights(Storage.of(place.path("checkpoints/unit/final")))
    assert torch.equal(weights["weight"], module.weight)
    pair = Pair(Scratch("tiny", TINY), Task("t", LAYOUTS, (0.1, 0.2), 1, resolution=16), 0)
    transfer = pair.dev(fixed_settings(pair)[0])
    results.write_rows(place, "trial", [trial_row(transfer, 0.5)])
    assert results.finished_ids(place, "trial") == {transfer.id}
    assert frames.read_table(place, "trial")["dev_top1"].to_list() == [0.5]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"storage .*file/x cannot be written"):
        Storage.of(tmp_path / "file" / "x").make()
    with pytest.raises(ValueError, match="storage nonsense://x"):
        Storage.of("nonsense://x")

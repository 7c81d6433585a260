"""What is written is on the disk, in the right order, before anything builds on it; and errors leave nothing behind."""

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scaling.store.directories import commit_directory, open_directory, set_aside
from scaling.store.errors import StorageError
from scaling.store.storage import Storage

ROOT = Path(__file__).parents[3]
WRITER = """
import sys
from collections import deque
import torch
from scaling.store.storage import Storage
from scaling.store.results import write_row_file
from scaling.store.schemas import TABLES
from scaling.training.state import State, save_state
module = torch.nn.Linear(2, 2)
state = State(module, torch.optim.SGD(module.parameters(), 0.1, momentum=0.9), None, deque([1.0]), step=7)
save_state(Storage(sys.argv[1]), "unit", state)
write_row_file(Storage(sys.argv[1]), "curve", "unit", TABLES["curve"].empty_table())
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_kernel_sees_file_then_directory_then_row(tmp_path: Path) -> None:
    """In the order of calls: each file flushed, renamed, its directory flushed; then the same for the row."""
    log = tmp_path / "calls"
    calls = "trace=fsync,rename,renameat,renameat2,mkdir"
    command = ["strace", "-f", "-y", "-e", calls, "-o", str(log), sys.executable, "-c", WRITER, str(tmp_path / "s")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    text = re.sub(r"process-[\w-]+", "DRAFT", log.read_text()).replace(str(tmp_path), "")
    done = [line.split(None, 1)[1] for line in text.splitlines() if "/s" in line and "= 0" in line]
    flushed = [re.sub(r"fsync\(\d+<(.*)>\).*", r"\1", line) for line in done if line.startswith("fsync")]
    checkpoint = "/s/checkpoints/unit"
    for name in ("model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"):
        assert f"/s/.tmp/DRAFT/{name}" in flushed
    order = [next(i for i, line in enumerate(done) if mark in line) for mark in (
        "fsync(", f'rename("/s/.tmp/DRAFT", "{checkpoint}/000000007"', 'rename("/s/.tmp/DRAFT", "/s/curve/unit.parquet"'
    )]  # fmt: skip
    assert order == sorted(order)
    files = [line for line in done[: order[1]] if ".tmp/DRAFT/" in line and line.startswith("fsync")]
    assert len(files) == 4
    assert "/s/.tmp/DRAFT>" in done[order[1] - 1] or any("fsync" in x and "/s/.tmp/DRAFT>" in x for x in done)
    between = done[order[1] + 1 : order[2]]
    assert any(line.startswith("fsync") and f"<{checkpoint}>" in line for line in between)
    assert any(line.startswith("fsync") and "<" + "/s/.tmp/DRAFT" in line for line in between)  # the row itself
    assert any(line.startswith("fsync") and "</s/curve>" in line for line in done[order[2] :])


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """The names and paths of calls of `os`, in order."""
    calls: list[tuple[str, str]] = []

    def record(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            path = arguments[0]
            calls.append(
                (name, str(Path(f"/proc/self/fd/{path}").readlink()) if isinstance(path, int) else str(arguments[-1]))
            )
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("fsync", "replace", "rename"):
            patch.setattr(os, name, record(name, getattr(os, name)))
        yield calls


def test_directories_that_are_made_on_the_way_are_flushed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage.of(tmp_path / "new" / "storage")
    with recorded(monkeypatch) as calls:
        storage.write("a/b/c.txt", b"1")
    flushed = [path for name, path in calls if name == "fsync"]
    for made in ("new", "new/storage", "new/storage/a", "new/storage/a/b"):
        assert str((tmp_path / made).parent) in flushed
    assert calls[-1] == ("fsync", str(tmp_path / "new/storage/a/b"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "mkdir"])
def test_an_error_while_writing_is_one_line_and_leaves_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fails(*arguments: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    before = sorted(map(str, tmp_files(storage)))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(StorageError, match=r"rows/a\.txt cannot be written: ") as told:
            storage.write("rows/a.txt", b"content")
    assert os.strerror(number) in str(told.value)
    assert ("the same command goes on" in str(told.value)) == (number != errno.EIO)
    assert sorted(map(str, tmp_files(storage))) == before
    storage.write("rows/a.txt", b"content")


def tmp_files(storage: Storage) -> list[Path]:
    assert storage.local is not None
    return [path for path in storage.local.rglob("*") if path.is_file()]


def test_a_checkpoint_that_does_not_fit_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """As a full disk: a limit on the size of files, which the writer of tensors runs into itself."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    code = WRITER.replace("Linear(2, 2)", "Linear(200, 200)").replace("import sys\n", "import sys, resource\n", 1)
    code = code.replace("save_state(", f"resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {limits[1]}))\nsave_state(")
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "checkpoints/unit/000000007 cannot be written: File too large" in done.stderr.splitlines()[-1]
    assert tmp_files(Storage.of(tmp_path / "s")) == []


def fill(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "weights").write_bytes(content)


def test_a_link_is_never_followed_when_something_is_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "unit" / "000000001").mkdir(parents=True)
    (victim / "unit" / "000000001" / "kept").touch()
    storage = Storage.of(tmp_path / "s")
    storage.make()
    (tmp_path / "s" / "checkpoints").symlink_to(victim)
    with pytest.raises(ValueError, match="is a link"):
        storage.delete("checkpoints/unit")
    (tmp_path / "s" / "direct").symlink_to(victim)
    storage.delete("direct")  # the link itself goes
    assert not storage.exists("direct")
    for name in ("../victim", "/etc/hosts", "a/../../victim", ""):
        for remove in (storage.remove, storage.delete):
            with pytest.raises(ValueError, match="is no name of a file"):
                remove(name)
    assert (victim / "unit" / "000000001" / "kept").exists()


def test_drafts_behind_a_link_are_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("f" * 32, "ray-" + "f" * 32, "driver-" + "f" * 32):
        (victim / name).touch()
        os.utime(victim / name, (0, 0))
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / ".tmp").symlink_to(victim)
    storage = Storage.of(tmp_path / "s")
    for write in (storage.make, lambda: storage.write("a", b""), storage.sweep):
        with pytest.raises(ValueError, match=r"\.tmp is a link"):
            write()
    assert len(list(victim.iterdir())) == 3


def test_what_is_set_aside_is_kept_elsewhere(place: Storage) -> None:
    commit_directory(place, "checkpoints/unit/000000001", fill(b"w"))
    aside = set_aside(place, "checkpoints/unit/000000001")
    assert not place.committed("checkpoints/unit/000000001")
    assert place.read(f"{aside}/weights") == b"w"
    commit_directory(place, "checkpoints/unit/000000001", fill(b"new"))
    assert open_directory(place, "checkpoints/unit/000000001").read("weights") == b"new"

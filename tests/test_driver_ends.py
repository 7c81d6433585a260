"""How a study's driver ends when its output, its terminal or its time is taken away: real processes on a real Ray."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from scaling.store import frames
from scaling.store.storage import Storage
from tests.helpers.drivers import ROOT, STUDY, processes_of, workers_of

STALE = 70.0  # s after which a silent driver's storage may be taken over, and a little more
pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "ends.py"
    file.write_text(STUDY)
    return file


def command(study: Path, storage: Path) -> list[str | Path]:
    return [sys.executable, ROOT / "scaling" / "run_study.py", study, "--storage", storage, "--save-seconds", "0.3"]


def until_at_work(driver: "subprocess.Popen[bytes]", storage: Path) -> list[int]:
    """Wait for an attempt. Returns all processes that the driver has started by then."""
    while not workers_of(driver.pid) or frames.read_table(Storage.of(storage), "attempt").is_empty():
        assert driver.poll() is None
        time.sleep(0.1)
    return processes_of(driver.pid)


def check_nothing_left(processes: list[int]) -> None:
    assert processes
    for _ in range(100):
        left = [pid for pid in processes if Path(f"/proc/{pid}").exists()]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"{len(left)} processes are left")


def finish(study: Path, storage: Path) -> None:
    subprocess.run(command(study, storage), check=True, stdout=subprocess.DEVNULL, timeout=600)
    outcomes = frames.read_table(Storage.of(storage), "attempt")["outcome"]
    assert "running" not in outcomes
    assert Storage.of(storage).list(".tmp") == []


def test_a_reader_that_takes_one_line(study: Path, tmp_path: Path) -> None:
    """As `| head -1` does."""
    storage = tmp_path / "storage"
    with subprocess.Popen(command(study, storage), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline()
        driver.stdout.close()
        assert driver.stderr is not None
        assert b"Stopped. What is done stays done" in driver.stderr.read()
        assert driver.wait(timeout=60) == 130
    finish(study, storage)


def test_a_terminal_that_closes(study: Path, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    master, terminal = pty.openpty()
    # In a session of its own, whose terminal this is, as a shell's window has it.
    words = ["setsid", "--ctty", "--wait", *command(study, storage)]
    started = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    os.set_blocking(master, False)
    processes: list[int] = []
    while not processes:
        assert started.poll() is None
        time.sleep(0.2)
        with contextlib.suppress(BlockingIOError):  # a full terminal would hold up the driver
            os.read(master, 1 << 16)
        drivers = [int(pid) for pid in children.read_text().split()] or [started.pid]
        attempts = frames.read_table(Storage.of(storage), "attempt")
        processes = [] if attempts.is_empty() else [pid for driver in drivers for pid in processes_of(driver)]
    os.close(master)
    assert started.wait(timeout=60) == 130
    check_nothing_left(processes)
    last = frames.read_table(Storage.of(storage), "attempt").filter(pl.col("outcome") != "done")
    assert set(last["outcome"]) <= {"interrupted"}
    finish(study, storage)


@pytest.mark.parametrize("background", [False, True])
def test_a_stopped_driver_is_taken_over_and_ends_when_it_wakes(study: Path, tmp_path: Path, background: bool) -> None:
    """background: started as `... &` in a script, where a shell lets it ignore SIGINT."""
    storage = tmp_path / "storage"
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"] if background else []
    first = subprocess.Popen([*ignoring, *command(study, storage)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    processes = until_at_work(first, storage)
    first.send_signal(signal.SIGSTOP)
    time.sleep(STALE)
    finish(study, storage)
    before = {table: frames.read_table(Storage.of(storage), table) for table in ("pretrain", "trial", "attempt")}
    first.send_signal(signal.SIGCONT)
    woken = time.monotonic()
    _, said = first.communicate(timeout=60)
    assert time.monotonic() - woken < 5
    assert first.returncode == 2
    assert b"Traceback" not in said
    check_nothing_left(processes)
    for table, rows in before.items():
        assert frames.read_table(Storage.of(storage), table).equals(rows)

"""One process a storage: real processes, killed, stopped and started together."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling.store.claims import CLAIMS, Claim, claim_bytes, new_claim
from scaling.store.errors import LostLeaseError, StorageError
from scaling.store.lease import lease, lease_holder
from scaling.store.storage import Storage

rules = import_module("scaling.store.lease")  # its face hands on the function of that name
ROOT = Path(__file__).parents[3]
HOLDER = """
import json, sys, time
from dataclasses import dataclass
from pathlib import Path
from scaling.console.cli import command_line
from scaling.store.lease import lease
from scaling.store.storage import Storage

@dataclass(frozen=True)
class Options:
    storage: str
    begin: str  # wait for this file
    end: str  # hold the lease until this file is there
    stale: float = 60.0
    stubborn: bool = False  # never end

def main(options: Options) -> int:
    storage = Storage.of(options.storage)
    print("ready", flush=True)
    while not Path(options.begin).exists():
        pass
    with lease(storage, "a test", beat_seconds=0.1, stale_seconds=options.stale) as held:
        print("held", flush=True)
        while not Path(options.end).exists():
            try:
                held.write("work", b"")
                time.sleep(0.02)
            except (KeyboardInterrupt, ValueError):
                if not options.stubborn:
                    raise
    return 0

command_line(main, Options)
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def _no_late_listings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object stores here list at once, and need not be waited for."""
    monkeypatch.setattr(rules, "LATE_SECONDS", 0.0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that want the lease of one storage; they wait for the file `begin` and hold it until `end`."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "holder.py").write_text(HOLDER)

    def begin(place: str | Path, *arguments: str, background: bool = False) -> "subprocess.Popen[str]":
        files = ["--begin", str(tmp_path / "begin"), "--end", str(tmp_path / "end")]
        command = [sys.executable, str(tmp_path / "holder.py"), "--storage", str(place), *files, *arguments]
        command = ["sh", "-c", 'trap "" INT; exec "$@"', "-", *command] if background else command
        pipe = subprocess.PIPE
        path = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command, text=True, env=path, stdout=pipe, stderr=pipe))
        assert read(started[-1]) == "ready"
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def read(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def claims(place: Path) -> list[str]:
    return Storage.of(place).list(CLAIMS)


def test_the_second_process_names_the_first(start: Start, tmp_path: Path) -> None:
    (tmp_path / "begin").touch()
    first = start(tmp_path / "s")
    assert read(first) == "held"
    second = start(tmp_path / "s")
    _, error = second.communicate(timeout=20)
    assert second.returncode == 2
    assert f"is in use by process {first.pid} on " in error
    assert "(a test) since " in error
    assert "wait for it, stop it, or take another --storage" in error
    assert error.count("\n") == 1
    (tmp_path / "end").touch()
    assert first.wait(timeout=20) == 0
    assert claims(tmp_path / "s") == []


def test_of_those_that_start_together_exactly_one_wins(start: Start, tmp_path: Path) -> None:
    together = [start(tmp_path / "s") for _ in range(3)]
    (tmp_path / "begin").touch()
    deadline = time.monotonic() + 20
    while sum(process.poll() is not None for process in together) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    (winner,) = (process for process in together if process.poll() is None)
    assert read(winner) == "held"
    assert [process.returncode for process in together if process is not winner] == [2, 2]
    assert len(claims(tmp_path / "s")) == 2  # claim and marker of the winner alone


def test_a_killed_process_holds_nothing_not_even_for_a_moment(start: Start, tmp_path: Path) -> None:
    (tmp_path / "begin").touch()
    first = start(tmp_path / "s")
    assert read(first) == "held"
    first.kill()  # and not waited for: a zombie keeps its number
    began = time.monotonic()
    with lease(Storage.of(tmp_path / "s"), "the next"):
        assert time.monotonic() - began < 5
        assert len(claims(tmp_path / "s")) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_process_leaves_no_claim(start: Start, tmp_path: Path, number: int) -> None:
    (tmp_path / "begin").touch()
    first = start(tmp_path / "s")
    assert read(first) == "held"
    first.send_signal(number)
    assert first.wait(timeout=20) == 130
    assert claims(tmp_path / "s") == []


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_a_process_that_slept_is_replaced_and_stops(
    start: Start, tmp_path: Path, background: bool, stubborn: bool
) -> None:
    """Also one in the background of a script, which ignores SIGINT, and one that does not end when it is told to."""
    (tmp_path / "begin").touch()
    first = start(tmp_path / "s", *(["--stubborn"] if stubborn else []), background=background)
    assert read(first) == "held"
    first.send_signal(signal.SIGSTOP)
    if not stubborn:
        with pytest.raises(ValueError, match=f"process {first.pid}"), lease(Storage.of(tmp_path / "s"), "too early"):
            pass
    time.sleep(1.2)
    with lease(Storage.of(tmp_path / "s"), "the next", stale_seconds=1.0) as held:
        held.remove("work")
        first.send_signal(signal.SIGCONT)
        _, error = first.communicate(timeout=6 if stubborn else 5)
        assert first.returncode == 2
        assert "was taken over by another process" in error
        assert error.count("\n") == 1
        assert len(claims(tmp_path / "s")) == 2  # the next one's are untouched
        assert not held.exists("work")  # nothing that the first has written since is there
        assert len(held.list(".tmp")) == 1
    assert claims(tmp_path / "s") == []
    assert Storage.of(tmp_path / "s").list(".tmp") == []


def test_it_is_given_back_also_after_an_error(place: Storage) -> None:
    with pytest.raises(RuntimeError, match="broken"), lease(place, "first"):
        raise RuntimeError("broken")
    with lease(place, "second"), pytest.raises(ValueError, match=r"\(second\)"), lease(place, "third"):
        pass
    assert place.list(CLAIMS) == []


def test_beats_keep_it(place: Storage) -> None:
    with lease(place, "first", beat_seconds=0.1):
        time.sleep(2.5)
        with pytest.raises(ValueError, match="in use"), lease(place, "second", stale_seconds=2.0):  # S3 tells seconds
            pass


def other(place: Storage, **change: Any) -> None:
    """A holder that sends no heartbeats."""
    claim = replace(new_claim("another"), **change)
    rules._put(place, claim)
    place.write(claim.marker, b"")


def test_a_number_that_was_given_to_another_process_is_not_the_holder(place: Storage) -> None:
    other(place, started="before")
    with lease(place, "next"):
        pass


def test_of_another_machine_only_beats_tell(place: Storage) -> None:
    other(place, machine="elsewhere", host="elsewhere", pid=2**22 + 1, started="then")
    with pytest.raises(ValueError, match="on elsewhere"), lease(place, "next"):
        pass
    time.sleep(2.1)
    with lease(place, "next", stale_seconds=1.0):
        pass


@dataclass
class Tally:
    """Threads that hold a lease."""

    inside: int = 0
    most: int = 0  # at the same time
    wins: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def contend(self, storage: Storage, seconds: float) -> None:
        """Hold the lease for so long, unless another one has it."""
        claim = new_claim("one of many")
        try:
            rules._acquire(storage, claim, 60.0)
        except ValueError:
            rules._withdraw(storage, claim.token)
            return
        with self.lock:
            self.inside, self.wins = self.inside + 1, self.wins + 1
            self.most = max(self.most, self.inside)
        time.sleep(seconds)
        with self.lock:
            self.inside -= 1
        rules._withdraw(storage, claim.token)


def at_once(many: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_in_place_of_processes_many_times_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interleavings of the first instants: never two hold it, and one gets it."""
    storage, tally = Storage.of(tmp_path), Tally()
    monkeypatch.setattr(rules, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(rules, "PATIENCE_SECONDS", 0.0)

    for _ in range(30):
        before = tally.wins
        at_once(4, lambda: tally.contend(storage, 0.005))
        assert tally.wins > before
    assert tally.most == 1


def test_a_claim_that_a_beat_replaces_while_it_is_read_is_read_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease(storage, "study s"):
        whole, torn = Storage.read, [True]

        def read(self: Storage, name: str) -> bytes:
            content = whole(self, name)
            return content[:-9] if name.endswith(".json") and torn and torn.pop() else content

        monkeypatch.setattr(Storage, "read", read)
        claim = lease_holder(storage)
        assert claim is not None
        assert claim.what == "study s"
        assert not torn


HOSTILE = [
    *((f"{'0' * 32}.json", text) for text in (b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"token": 3}', b"[" * 90_000)),
    (f"{'0' * 32}.json", claim_bytes(replace(new_claim("x"), token="0" * 32, beat=float("nan")))),
    (f"{'0' * 32}.json", claim_bytes(replace(new_claim("x"), token="../../victim"))),
    (f"{'0' * 32}.json", claim_bytes(replace(new_claim("\x1b[31mred"), token="0" * 32))),
    ("x.json", claim_bytes(new_claim("another"))),
    ("..json", b"{}"),
    (f"{'0' * 32}.held", b""),
    ("readme.txt", b"hello"),
]


@pytest.mark.parametrize(("name", "content"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_claim_blocks_nothing(storage: Storage, name: str, content: bytes) -> None:
    storage.write(f".lease/{name}", content)
    (Path(storage.uri).parent / "victim.json").touch()
    assert lease_holder(storage) is None
    with lease(storage, "next"):
        assert lease_holder(storage) is not None
    left = storage.list(".lease")
    assert left == ([] if name.startswith("0") else [name])  # of our form: as a dead one's
    assert (Path(storage.uri).parent / "victim.json").exists()


def test_a_pipe_or_a_directory_in_place_of_a_claim_blocks_nothing(storage: Storage) -> None:
    assert storage.local is not None
    (storage.local / ".lease").mkdir()
    os.mkfifo(storage.local / ".lease" / f"{'1' * 32}.json")
    (storage.local / ".lease" / f"{'2' * 32}.json").mkdir()
    with lease(storage, "next"):
        pass


def test_a_claim_of_a_time_to_come_is_dead(storage: Storage) -> None:
    other(storage, machine="elsewhere")
    (file,) = (name for name in storage.list(CLAIMS) if name.endswith(".json"))
    assert storage.local is not None
    os.utime(storage.local / CLAIMS / file, (4e9, 4e9))
    with lease(storage, "next"):
        pass


@pytest.mark.parametrize("hangs", [False, True])
def test_heartbeats_that_do_not_get_through_end_the_work(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """Neither failing ones nor one that hangs keep a lease that others may take by now."""

    def beat(storage: Storage, claim: Claim) -> None:
        if hangs:
            time.sleep(6)
        raise StorageError("503")

    monkeypatch.setattr(rules, "_beat", beat)
    monkeypatch.setattr(rules, "GRACE_SECONDS", 1.0)
    began = time.monotonic()

    def work() -> None:
        with lease(storage, "a test", beat_seconds=0.1, stale_seconds=1.0):
            while time.monotonic() - began < 15:
                time.sleep(0.01)

    with pytest.raises(LostLeaseError, match=r"took no heartbeat for 1 s"):
        work()
    assert time.monotonic() - began < 5


def test_a_lease_that_is_lost_at_the_end_of_the_work_is_lost(storage: Storage) -> None:
    with pytest.raises(LostLeaseError, match="taken over"), lease(storage, "a test", beat_seconds=100) as held:
        storage.remove(next(f"{CLAIMS}/{name}" for name in held.list(CLAIMS) if name.endswith(".held")))


@given(st.integers(0, 2**32), st.integers(2, 4))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_listings_that_are_late_never_give_two_holders(monkeypatch: pytest.MonkeyPatch, seed: int, many: int) -> None:
    """Each process sees the claims as they were some time ago, up to as long as is waited for."""
    storage = Storage.of(f"memory://{uuid.uuid4().hex}")
    late, rng, lock = 0.15, random.Random(seed), threading.Lock()
    history: list[tuple[float, dict[str, float | None]]] = [(0.0, {})]
    whole, written, tally = Storage.times, Storage.write, Tally()

    def times(self: Storage, directory: str) -> dict[str, float | None]:
        with lock:
            now = time.monotonic()
            history.append((now, whole(self, directory)))
            then = now - rng.uniform(0, late)
            return [seen for at, seen in history if at <= then][-1]

    def write(self: Storage, name: str, content: bytes) -> None:
        written(self, name, content)
        times(self, CLAIMS)

    def contend() -> None:
        time.sleep(rng.uniform(0, 2 * late))
        tally.contend(storage, 3 * late)

    with monkeypatch.context() as patch:
        patch.setattr(rules, "LATE_SECONDS", 1.5 * late)
        patch.setattr(rules, "PATIENCE_SECONDS", 3 * late)
        patch.setattr(rules, "POLL_SECONDS", late / 10)
        patch.setattr(Storage, "times", times)
        patch.setattr(Storage, "write", write)
        at_once(many, contend)
    assert tally.most == 1
    assert tally.wins >= 1

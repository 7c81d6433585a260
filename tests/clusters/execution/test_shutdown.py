"""Functions side by side, and SIGTERM while they run: a real signal to this process."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from clusters.execution import shutdown as grace
from clusters.execution.shutdown import run_concurrently


@pytest.fixture(autouse=True)
def raises_keyboard_interrupt() -> Iterator[None]:
    """As the front doors have it. SIGINT would not do: what runs in a shell's background may ignore it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def interrupt() -> None:
    time.sleep(0.2)  # the main thread waits by then
    os.kill(os.getpid(), signal.SIGTERM)


def test_all_have_ended_and_errors_come_back() -> None:
    done: list[str] = []

    def fails() -> None:
        raise OSError("full")

    (error,) = run_concurrently([lambda: done.append("a"), fails, lambda: done.append("b")], stop=lambda: None)
    assert str(error) == "full"
    assert sorted(done) == ["a", "b"]


@pytest.mark.parametrize("slow", range(3))
def test_an_interrupt_waits_for_each_that_saves(slow: int) -> None:
    """Whichever is the last: what the wait was at when the signal came must be waited for again."""
    stopped = threading.Event()
    saved: list[int] = []

    def work(number: int) -> None:
        stopped.wait()
        time.sleep(0.5 if number == slow else 0.0)
        saved.append(number)

    works = [lambda number=number: work(number) for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        run_concurrently([*works, interrupt], stop=stopped.set, poll_seconds=60)
    assert sorted(saved) == [0, 1, 2]


def test_what_does_not_end_is_left_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grace, "GRACE_SECONDS", 0.3)
    forever = threading.Event()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_concurrently([forever.wait, interrupt], stop=lambda: None, poll_seconds=60)
    assert time.monotonic() - begun < 10
    forever.set()


def test_a_second_interrupt_waits_for_nothing() -> None:
    forever = threading.Event()
    begun = time.monotonic()

    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_concurrently([forever.wait, twice], stop=lambda: None, poll_seconds=60)
    assert time.monotonic() - begun < grace.GRACE_SECONDS / 2
    forever.set()


def test_a_driver_that_wakes_too_late_ends_at_once() -> None:
    forever, told, begun = threading.Event(), [], time.monotonic()
    with pytest.raises(grace.DriverSilentError, match="stopped or asleep for more than 45 s"):
        run_concurrently([forever.wait], stop=lambda: told.append("stop"), beat=lambda: True)
    assert told == ["stop"]
    assert time.monotonic() - begun < 5
    forever.set()

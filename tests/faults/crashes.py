"""Work in a forked child that ends at one of its file operations, as kill -9 or a lost machine would end it.

A fork costs milliseconds where a fresh interpreter with torch costs seconds, so that thousands of moments can be tried.
The forks are of a server process, which has done some work before and has no threads, as this one may have. Only
operations on files below one directory count; a write can also end half-way.
"""

import builtins
import contextlib
import errno
import io
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

Moment = Literal["before", "half", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "half", "after")
KILLED = 137  # exit code of a child that was ended; what a shell says of kill -9
WRITES = ("write",)  # operations that can be done by half
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.faults.warm"])
NAMES = ("rename", "replace", "unlink", "remove", "mkdir", "rmdir", "utime", "link", "symlink", "truncate")


@dataclass(frozen=True)
class Point:
    """A moment of a piece of work: before, half-way through or after its file operation of a number."""

    operation: int
    moment: Moment


@dataclass(frozen=True)
class End:
    """How a child ended."""

    code: int
    operations: tuple[str, ...]  # file operations that it began, by name
    seconds: float  # from its start to its end

    @property
    def killed(self) -> bool:
        return self.code in (KILLED, -signal.SIGKILL)


@dataclass(frozen=True)
class Child:
    """A running piece of work."""

    process: ForkServerProcess
    began: float  # `time.monotonic`

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        assert self.process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)


def run(work: Callable[[], object], place: Path, point: Point | None = None, full: int | None = None) -> End:
    """Run the work in a child that dies at the point. full: every write after so many operations finds a full disk."""
    reader, report = FORKS.Pipe(duplex=False)
    end = wait(start(_watched, work, place, report, point, full))
    report.close()
    told = reader.recv_bytes().decode() if reader.poll() else ""
    reader.close()
    return replace(end, operations=tuple(told.split()))


def start(work: Callable[..., object], *arguments: Any) -> Child:
    """Begin the work, which can be pickled, in a child."""
    process = FORKS.Process(target=work, args=arguments)
    began = time.monotonic()
    process.start()
    return Child(process, began)


def wait(child: Child) -> End:
    """Wait for a child's end."""
    child.process.join()
    seconds, code = time.monotonic() - child.began, child.process.exitcode
    child.process.close()
    assert code is not None
    return End(code, (), seconds)


def operations_of(work: Callable[[], object], place: Path, point: Point | None) -> list[str]:
    """Do the work in this process, which ends at the point. Returns the names of its file operations."""
    pipe = multiprocessing.Pipe(duplex=False)  # nobody reads it
    _watch(place, counter := _Counter(pipe[1], point, None))
    work()
    return counter.names


def points(operations: Sequence[str]) -> list[Point]:
    """Every moment of some file operations, in order."""
    return [
        Point(number, moment)
        for number, name in enumerate(operations)
        for moment in MOMENTS
        if moment != "half" or name in WRITES
    ]


def _watched(
    work: Callable[[], object], place: Path, report: Connection, point: Point | None, full: int | None
) -> None:
    _watch(place, counter := _Counter(report, point, full))
    try:
        work()
    finally:
        counter.tell()


class _Counter:
    """Counts file operations, and ends the process at its point."""

    def __init__(self, report: Connection, point: Point | None, full: int | None) -> None:
        self.report, self.point, self.full = report, point, full
        self.names: list[str] = []

    def tell(self) -> None:
        self.report.send_bytes(" ".join(self.names).encode())

    def die(self) -> None:
        self.tell()
        os._exit(KILLED)

    def operation(self, name: str, call: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        """Do one operation, or part of it."""
        number, point = len(self.names), self.point
        self.names.append(name)
        if self.full is not None and number >= self.full and name in ("write", "mkdir", "open"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if point is None or number != point.operation:
            return call()
        if point.moment == "half" and half is not None:
            half()
        elif point.moment == "after":
            with contextlib.suppress(OSError):  # an operation that fails has been done as well
                call()
        return self.die()


class _File:
    """A file that is written to: each write is an operation."""

    def __init__(self, file: Any, counter: _Counter) -> None:
        self._file, self._counter = file, counter

    def write(self, data: Any) -> Any:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        return self._counter.operation("write", lambda: self._file.write(data), half)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _watch(place: Path, counter: _Counter) -> None:
    """Put the counter before every operation of this process on files below a directory."""
    ours: set[int] = set()  # open descriptors of such files

    def below(path: Any, dir_fd: int | None = None) -> bool:
        if isinstance(path, int):
            return path in ours
        return dir_fd is not None or Path(os.fsdecode(path)).is_relative_to(place)  # removal of trees has descriptors

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Any, *others: Any, **options: Any) -> Any:
            if not below(path, options.get("dir_fd")):
                return call(path, *others, **options)
            return counter.operation(name, lambda: call(path, *others, **options))

        return operation

    for name in NAMES:
        setattr(os, name, watched(name, getattr(os, name)))
    os_open, os_write, os_fsync, os_close, io_open = os.open, os.write, os.fsync, os.close, io.open

    def open_descriptor(path: Any, flags: int, *others: Any, **options: Any) -> int:
        def call() -> int:
            return os_open(path, flags, *others, **options)

        if not below(path, options.get("dir_fd")):
            return call()
        made: int = counter.operation("open", call) if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else call()
        ours.add(made)
        return made

    def write(descriptor: int, data: Any) -> int:
        if descriptor not in ours:
            return os_write(descriptor, data)
        half = lambda: os_write(descriptor, data[: len(data) // 2])  # noqa: E731
        written: int = counter.operation("write", lambda: os_write(descriptor, data), half)
        return written

    def fsync(descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        counter.operation("fsync", lambda: os_fsync(number))

    def close(descriptor: int) -> None:
        ours.discard(descriptor)
        os_close(descriptor)

    def open_file(file: Any, mode: str = "r", *others: Any, **options: Any) -> Any:
        def call() -> Any:
            return io_open(file, mode, *others, **options)

        if not set(mode) & set("wax+") or not below(file):
            return call()
        return _File(call() if isinstance(file, int) else counter.operation("open", call), counter)

    for name, replacement in (("open", open_descriptor), ("write", write), ("fsync", fsync), ("close", close)):
        setattr(os, name, replacement)
    io.open = builtins.open = open_file

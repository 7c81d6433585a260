"""Standard output and error of a command: no secret gets into them, and their reader may go away."""

import errno
import io
import sys
from typing import TextIO

from scaling.store import without_secrets

GONE = (errno.EPIPE, errno.EIO)  # of a pipe whose reader has ended, and of a terminal that was closed


class Stream(io.FileIO):
    """What is written after the reader has gone is dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.gone = False

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        if not self.gone:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                if error.errno not in GONE:
                    raise
                self.gone = True
        return size


class Output(io.TextIOWrapper):
    """Text without the logins and keys of URIs."""

    def __init__(self, before: TextIO, stream: io.FileIO) -> None:
        # Under PYTHONUNBUFFERED both are written at once: there, too, a line is there when it ends.
        at_once = any(bool(getattr(before, name, False)) for name in ("line_buffering", "write_through"))
        super().__init__(io.BufferedWriter(stream), before.encoding, before.errors, line_buffering=at_once)
        self.stream = stream

    def write(self, text: str) -> int:
        super().write(without_secrets(text))
        return len(text)


def guard_output(*, drop: bool) -> None:
    """Put an `Output` in the place of this process's standard output and error, where they are its own.

    drop: go on when the reader of standard output goes away; else a write raises BrokenPipeError then.
    """
    for name in ("stdout", "stderr"):
        before = getattr(sys, name)
        if before is None or before is not getattr(sys, f"__{name}__"):  # a test's, or another program's
            continue
        before.flush()
        descriptor = before.fileno()
        # A message on standard error is worth no error of its own.
        dropped = drop or name == "stderr"
        setattr(sys, name, Output(before, Stream(descriptor) if dropped else io.FileIO(descriptor, "w", closefd=False)))


def output_lost() -> bool:
    """Whether the reader of standard output has gone, as a write has found: `| head`, a closed terminal."""
    return isinstance(sys.stdout, Output) and getattr(sys.stdout.stream, "gone", False)

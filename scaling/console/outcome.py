"""How a command ends: its exit code says what stands in the rows, and work that only helps changes nothing of it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scaling.checks import printable

WITHOUT_RESULT = 1  # exit code


def said_missing(lines: Sequence[str]) -> int:
    """Say on standard error what has no result. Returns the exit code: 0 when there is nothing to say."""
    for line in lines:
        print(printable(line), file=sys.stderr)
    if lines:
        print("Attempt rows say why; the same command tries again what can be tried again.", file=sys.stderr)
    return WITHOUT_RESULT if lines else 0


@contextmanager
def helping(what: str) -> Iterator[None]:
    """Work that only shows results: an error in the block ends the block, with one line on standard error, and no more.

    For what comes beside trained work: mirrors, trackers, figures, reports. Ctrl-C and a reader of the output that has
    gone away are no errors of it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        print(f"warning: {what}: {first_line(error)}; results are not touched by it", file=sys.stderr)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class."""
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0])

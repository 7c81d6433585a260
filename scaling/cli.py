"""What the front doors share: parsing, exit codes, and the console."""

import signal
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import tyro
from rich.console import Console

Options = TypeVar("Options")
USER_ERROR, INTERRUPTED = 2, 130


def console(quiet: bool = False) -> Console:
    """Standard output; `quiet` prints nothing. A job's log is given a width that tables fit into."""
    width = None if sys.stdout.isatty() else 140
    return Console(quiet=quiet, width=width, highlight=False)


def command_line(main: Callable[[Options], int], options: type[Options]) -> NoReturn:
    """Parse the options, run `main`, and exit with its code.

    A ValueError is the user's: one line on standard error and exit code 2. Ctrl-C and SIGTERM end cleanly with 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(tyro.cli(options))
    except ValueError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        code = USER_ERROR
    except KeyboardInterrupt:
        print("\nStopped. What is done stays done: the same command goes on from there.", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)

"""What people are to know of a storage, said once by each process on standard error."""

import sys
from functools import cache


@cache
def say(line: str) -> None:
    """Print a line on standard error, unless this process has said it before."""
    print(line, file=sys.stderr, flush=True)

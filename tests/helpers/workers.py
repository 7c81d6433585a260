"""Processes that train together."""

import os
import sys
from collections.abc import Callable
from typing import Any

from torch import multiprocessing


def start_workers(work: Callable[..., None], *arguments: object, workers: int = 2) -> None:
    """Run `work(rank, workers, *arguments)` in so many processes to their end; what one of them raises is raised."""
    torchs: Any = multiprocessing  # whose `spawn` has no types
    torchs.spawn(_work_and_end, (work, workers, *arguments), nprocs=workers)


def _work_and_end(rank: int, work: Callable[..., None], *arguments: object) -> None:
    """As Ray ends its workers: at once. While Python takes itself down, a thread of gloo's may still ask for it, and
    the process aborts ('terminate called without an active exception', once in some hundred runs)."""
    work(rank, *arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)

"""Processes that train together."""

from collections.abc import Callable
from typing import Any

from torch import multiprocessing


def start_workers(work: Callable[..., None], *arguments: object, workers: int = 2) -> None:
    """Run `work(rank, workers, *arguments)` in so many processes to their end; what one of them raises is raised."""
    torchs: Any = multiprocessing  # whose `spawn` has no types
    torchs.spawn(work, (workers, *arguments), nprocs=workers)

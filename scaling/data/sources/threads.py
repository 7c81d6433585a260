"""Threads on all cores, for work that releases the interpreter's lock."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def available_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """`[function(item) for item in items]`, on all cores: NumPy, zlib and Pillow release the interpreter's lock."""
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(function, items))

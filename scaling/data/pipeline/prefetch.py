"""Making the next batches while one is in use."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
AHEAD = 2  # batches that are prepared ahead of the one in use


def prefetched(make: Callable[[int], T], start: int, stop: int) -> Generator[T]:
    """`make(start)` to `make(stop - 1)`, in this order, computed by a thread, AHEAD of them in advance.

    Who keeps it in a variable closes it, should an error end the taking: left to the garbage collector, the wait for
    the thread may fall into the start of another one, which holds a lock that the wait needs. (A `for` drops it.)
    """
    # One thread, because `make` may take the next items of an iterator, which must stay in order.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
    try:
        futures = deque(pool.submit(make, step) for step in range(start, min(start + AHEAD, stop)))
        for step in range(start, stop):
            if step + AHEAD < stop:
                futures.append(pool.submit(make, step + AHEAD))
            yield futures.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

"""How a process's memory is given back: not at all, while it trains on its CPU."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
NEVER = -1
LARGE = 2**30  # bytes; older glibc refuse so much and keep their own bound


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, up to blocks of a gigabyte; whether its C library can do that.

    Every step frees its activations and asks for as many anew. glibc gives them to the system in between, which has to
    clear each page again: an eighth to a quarter of the time of a training step on one core. Its other way, to map a
    block for each large array, costs the same. Not for macOS or musl, nor where another allocator is preloaded.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    mallopt(M_MMAP_THRESHOLD, LARGE)
    return bool(mallopt(M_TRIM_THRESHOLD, NEVER))

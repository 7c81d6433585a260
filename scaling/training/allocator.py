"""Memory of a process that trains on its CPU: what it frees is not given back to the system."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
NEVER = -1
LARGE = 2**30  # bytes; older glibc refuse so much and keep their own bound


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, up to blocks of a gigabyte; returns whether its C library can.

    Every step frees its activations and allocates as many again. glibc returns them to the system in between, which has
    to clear each page anew: an eighth to a quarter of the time of a training step on one core. To map a block for each
    large array, its default, costs the same. Not for macOS or musl, nor where another allocator is preloaded.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no such function in macOS and musl; on Windows None is no library
        return False
    mallopt(M_MMAP_THRESHOLD, LARGE)
    return bool(mallopt(M_TRIM_THRESHOLD, NEVER))

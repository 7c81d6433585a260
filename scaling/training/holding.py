"""Since when this process holds its devices, so that the time before an attempt is accounted too.

A process starts, imports, joins its group: all that time its devices are kept from others. The attempt that comes next
takes it up as `seconds_starting`, so that each second is counted once.
"""

import os
import time
from pathlib import Path

_LOADED = time.monotonic()
_since: tuple[int, float] | None = None  # of a process: when its last attempt ended, or its task began (monotonic)


def seconds_held(asked: float = 0.0) -> float:
    """Seconds since this process holds its devices or has ended its last attempt.

    Of a fresh process that is its age, but no more than `asked`, the seconds since its group was asked for, where that
    is known: Ray starts some processes in advance, which hold nothing yet.
    """
    if _used():
        assert _since is not None
        return time.monotonic() - _since[1]
    age = _age()
    return min(age, asked) if asked else age


def devices_used() -> None:
    """Note that an attempt has ended, and has accounted for the time up to now."""
    global _since
    _since = os.getpid(), time.monotonic()


def devices_taken() -> None:
    """Note that devices are held from now on, in a process that held none since its last attempt."""
    if _used():
        devices_used()


def _used() -> bool:
    """Whether this process, not one that it was forked from, has had devices before."""
    return _since is not None and _since[0] == os.getpid()


def _age() -> float:
    """Seconds since this process began; without Linux's /proc since this module was loaded."""
    try:
        # After the name, which may hold spaces, the 20th field is the start in ticks since boot.
        began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.monotonic() - _LOADED
    return uptime - began / os.sysconf("SC_CLK_TCK")

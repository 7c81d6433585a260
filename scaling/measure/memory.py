"""How much memory work takes, and the largest batch that fits.

By the line through the measured peaks of smaller ones, against a limit that is said. What the line promises is tried
on a GPU; on a CPU too large a batch would bring the machine down.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from scaling.training import Device

Work = TypeVar("Work", bound=Callable[[], object])
PROCESS = Path("/proc/self")
CGROUP = Path("/sys/fs/cgroup/memory.max")
NO_ROOM = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def limit(device: Device) -> int:
    """Bytes that the device has: a GPU's memory, or what this machine or container gives its processes."""
    if device.kind == "cuda":
        return _total(device)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # 'max' where there is none
        total = min(total, int(CGROUP.read_text()))
    return total


def _total(device: Device) -> int:
    return torch.cuda.get_device_properties(device.torch).total_memory


def restrict(device: Device, limit: int) -> None:
    """Let this process have so many bytes of a GPU, so that what is tried is tried within them."""
    if device.kind == "cuda":
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / _total(device)), device.torch)


def beyond(expected: int, limit: int, device: Device) -> bool:
    """Whether work that is expected to take so many bytes must not even be tried: a GPU says no, a machine dies."""
    return device.kind == "cpu" and expected > limit


def peak(work: Callable[[], object], device: Device) -> int | None:
    """Bytes at the highest while `work` runs: of tensors on a GPU, of the whole process on a CPU.

    None on systems whose kernel cannot say it of a while (Linux can).
    """
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats(device.torch)
        work()
        return torch.cuda.max_memory_allocated(device.torch)
    try:
        _give_back()
        (PROCESS / "clear_refs").write_text("5")  # resets the mark, VmHWM
        work()
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        work()
        return None
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _give_back() -> None:
    """Return what is free in the process to the system: tensors are freed when the last one that knows them is."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def tried(make: Callable[[], Work]) -> Work | None:
    """Work that was made and done once; None where a GPU has no room for one or the other."""
    try:
        work = make()
        work()
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not any(words in str(error) for words in NO_ROOM):
            raise
        return None
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return work


def room(enough: Callable[[int], bool], first: int) -> int:
    """`first` if there is enough room for it; else a twentieth less, and again, until there is. 0: for none."""
    batch = first
    while batch > 0 and not enough(batch):
        batch = batch * 19 // 20
    return batch


def by_line(batches: Sequence[int], peaks: Sequence[int], limit: int) -> int | None:
    """The batch whose peak would be the limit, on the line of least squares through peaks in bytes.

    None when peaks do not rise with the batch, as where all of them are small beside the process.
    """
    if len(set(batches)) < 2:
        return None
    slope, start = np.polyfit(np.asarray(batches, float), np.asarray(peaks, float), 1)
    # the last bits of a least-squares solution differ by processor: 89.99999999 is 90
    return max(0, int((limit - start) / slope + 1e-6)) if slope > 0 else None

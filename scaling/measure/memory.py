"""How much memory a computation takes, and the largest batch that fits.

The largest batch is extrapolated by a line through the measured peaks of smaller ones, up to a limit in bytes. On a GPU
the result of the line is also tried; on a CPU too large a batch would bring the machine down.
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
# The second is what cuBLAS says where nothing is left for its own workspace.
NO_ROOM = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def memory_limit(device: Device) -> int:
    """Bytes that the device has: a GPU's memory, or what this machine or container allows its processes."""
    if device.kind == "cuda":
        return _total(device)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such file, or the word 'max' where there is no limit
        total = min(total, int(CGROUP.read_text()))
    return total


def _total(device: Device) -> int:
    return torch.cuda.get_device_properties(device.torch).total_memory


def restrict_memory(device: Device, limit: int) -> None:
    """Let this process use at most `limit` bytes of a GPU, so that batches are tried within the limit."""
    if device.kind == "cuda":
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / _total(device)), device.torch)


def exceeds_memory(expected: int, limit: int, device: Device) -> bool:
    """Whether work expected to take so many bytes must not be tried: a GPU raises an error, a machine would die."""
    return device.kind == "cpu" and expected > limit


def peak_memory(work: Callable[[], object], device: Device) -> int | None:
    """Peak bytes while `work` runs: of tensors on a GPU, of the whole process on a CPU.

    None on systems whose kernel cannot measure the peak of a period (Linux can).
    """
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats(device.torch)
        work()
        return torch.cuda.max_memory_allocated(device.torch)
    try:
        _return_free_memory()
        (PROCESS / "clear_refs").write_text("5")  # resets the kernel's high-water mark VmHWM to the present
        work()
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        work()
        return None
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _return_free_memory() -> None:
    """Return what the allocator holds without need to the system, so that it is in no later peak."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def try_work(prepare: Callable[[], Work]) -> Work | None:
    """Prepare work and run it once, and return it; None where a GPU has no room for one or the other."""
    try:
        # Inside, since there may be no room for the images alone.
        work = prepare()
        work()
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not any(words in str(error) for words in NO_ROOM):
            raise
        return None
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return work


def largest_with_room(enough: Callable[[int], bool], first: int) -> int:
    """`first` if there is enough room for it, else a twentieth less, and so on; 0 when not even 1 fits."""
    batch = first
    while batch > 0 and not enough(batch):
        batch = batch * 19 // 20
    return batch


def batch_by_line(batches: Sequence[int], peaks: Sequence[int], limit: int) -> int | None:
    """The largest batch whose peak is within the limit, on the least-squares line through peaks in bytes.

    None when the peaks do not rise with the batch, because all of them are small compared to the process.
    """
    if len(set(batches)) < 2:
        return None
    slope, start = np.polyfit(np.asarray(batches, float), np.asarray(peaks, float), 1)
    # The last bits of a least-squares solution differ by processor: 89.99999999 is 90.
    return max(0, int((limit - start) / slope + 1e-6)) if slope > 0 else None

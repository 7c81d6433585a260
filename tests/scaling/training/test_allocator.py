"""Memory that a training step frees stays with the process."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import ctypes, resource, sys
import torch
from scaling.training.devices import local_device

if sys.argv[1] == "kept":
    local_device("fp32", 1, kind="cpu")


def step():  # arrays given back in the order in which a backward pass does it
    held = [torch.ones(size) for size in (300_000, 3_000_000) for _ in range(20)]
    while held:
        held.pop()


step(), step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step(), step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", COUNT, what], capture_output=True, text=True, check=True).stdout)
        for what in ("kept", "given back")
    )
    assert kept < 1_000
    assert given_back > 20_000  # of the 128,000 pages of two steps

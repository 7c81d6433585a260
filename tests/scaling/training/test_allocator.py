"""Memory that a training step frees stays with the process."""

import platform
import subprocess
import sys

import pytest

MEASURE = """
import sys
import torch
from pathlib import Path
from scaling.specs.execution import Execution
from scaling.training.devices import local_device

if sys.argv[1] == "kept":
    local_device(Execution("fp32"), 1, kind="cpu")


def resident():  # MiB
    return int(Path("/proc/self/statm").read_text().split()[1]) / 256


def step():  # 250 MiB in arrays given back in the order in which a backward pass does it
    held = [torch.ones(size) for size in (300_000, 3_000_000) for _ in range(20)]
    while held:
        held.pop()


before = resident()
step()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_a_step_leaves_its_memory_to_the_next_one() -> None:
    kept, given_back = (
        float(subprocess.run([sys.executable, "-c", MEASURE, what], capture_output=True, text=True, check=True).stdout)
        for what in ("kept", "given back")
    )
    assert kept > 200
    assert given_back < 100

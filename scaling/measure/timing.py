"""Timing on a device: of calls and of matrix products; and photographs to time input pipelines on."""

import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scaling.data.sources import encode_parquet, render_ifs
from scaling.specs import Precision
from scaling.training import Device

GEMM_SIZES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192, 16384)}


def seconds_per_call(step: Callable[[], object], times: int, device: Device) -> float:
    """Mean seconds per call over `times` calls, with all the work that a call puts on the device.

    With one CPU thread these are CPU seconds, which other processes on the machine disturb less.
    """
    synchronize: Callable[[], None] = torch.cuda.synchronize if device.kind == "cuda" else lambda: None
    clock = time.process_time if device.kind == "cpu" and device.cores == 1 else time.perf_counter
    synchronize()
    # Only now: what earlier calls left on the device is not this step's.
    start = clock()
    for _ in range(times):
        step()
    synchronize()
    return (clock() - start) / times


def gemm_rate(device: Device, precision: Precision) -> float:
    """TFLOP/s of the fastest product of two square matrices over several sizes: what the device can reach at best."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    rates = []
    for size in GEMM_SIZES[device.kind]:
        a, b = (torch.randn(size, size, device=device.torch, dtype=dtype) for _ in range(2))
        # The fastest of five: others measure the disturbances of the machine as well.
        seconds = min(seconds_per_call(partial(torch.matmul, a, b), 3, device) for _ in range(5))
        rates.append(2 * size**3 / seconds / 1e12)
    return max(rates)


def photographs(folder: Path, count: int = 200, side: int = 348) -> str:
    """Write fractals as JPEGs of quality 90 into a file in the folder, and return its URI."""
    files = []
    for label in range(10):
        for pixels in render_ifs(0, label, np.arange(count // 10), side):
            out = io.BytesIO()
            Image.fromarray(pixels).convert("RGB").save(out, "JPEG", quality=90)
            files.append(out.getvalue())
    path = folder / "photographs.parquet"
    path.write_bytes(encode_parquet(files, np.repeat(np.arange(10), count // 10), [str(i) for i in range(10)]))
    return f"parquet:{path}"

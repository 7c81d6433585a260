"""Where a step runs: the only file that knows one kind of device from another."""

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist

from scaling.specs import Precision


@dataclass(frozen=True)
class Device:
    """One worker's device, and its place among the workers of the run. Hardware: no part of any spec's identity."""

    kind: Literal["cpu", "cuda"]
    name: str  # of the chip, for the account
    precision: Precision
    cores: int  # of this worker: CPU threads, or 1 for a GPU
    rank: int = 0
    world: int = 1
    compile: bool = False  # training steps through torch.compile
    microbatch: int | None = None  # images of a forward pass; None: the worker's whole share of the batch
    loaders: int = 0  # processes that decode and crop photographs for this worker; 0: its own threads do
    hosts: int = 1  # machines that the workers of the run are on
    slice: str | None = None  # of TPUs, by its name
    seconds_queued: float = 0.0  # s: that the worker group was waited for, of its first unit

    @property
    def occupied(self) -> int:
        """Cores that this worker keeps from others, for the account: a GPU's, or its CPU threads and loaders."""
        return self.cores + (self.loaders if self.kind == "cpu" else 0)

    @property
    def torch(self) -> torch.device:
        return torch.device(self.kind, torch.cuda.current_device()) if self.kind == "cuda" else torch.device("cpu")

    def seed(self, value: int) -> None:
        """Seed this device's generator (torch.manual_seed seeds all there are, which takes 0.3 ms)."""
        generator = torch.cuda.default_generators[self.torch.index] if self.kind == "cuda" else torch.default_generator
        generator.manual_seed(value)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """bf16 arithmetic where the precision says so; weights stay float32."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=torch.bfloat16)


def local_device(
    precision: Precision | None = None,
    threads: int | None = None,
    *,
    compile: bool = False,
    microbatch: int | None = None,
    loaders: int = 0,
) -> Device:
    """This process's device and rank. Precision None: bf16 on a GPU that has it, float32 on a CPU.

    On a CPU the threads decide how sums are split, so they are set, not left to the machine (default: OMP_NUM_THREADS).
    """
    initialized = dist.is_available() and dist.is_initialized()
    rank, world = (dist.get_rank(), dist.get_world_size()) if initialized else (0, 1)
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = True
        chosen = precision or ("bf16" if torch.cuda.is_bf16_supported() else "fp32")
        return Device("cuda", torch.cuda.get_device_name(), chosen, 1, rank, world, compile, microbatch, loaders)
    threads = threads or int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    return Device("cpu", "cpu", precision or "fp32", threads, rank, world, compile, microbatch, loaders)


def broadcast(value: Any, device: Device) -> Any:
    """Rank 0's value, on every rank."""
    if device.world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def mean_over_workers(values: torch.Tensor, device: Device) -> torch.Tensor:
    """The mean of a tensor over all workers, on every worker."""
    if device.world > 1:
        dist.all_reduce(values)
        values /= device.world
    return values


def sum_over_workers(values: torch.Tensor, device: Device) -> torch.Tensor:
    """The sum of a tensor over all workers, on every worker."""
    if device.world > 1:
        dist.all_reduce(values)
    return values


def union_over_workers(values: dict[str, None], device: Device) -> None:
    """Give every worker the keys of all workers."""
    if device.world > 1:
        found: list[dict[str, None]] = [{} for _ in range(device.world)]
        dist.all_gather_object(found, values)
        for one in found:
            values.update(one)

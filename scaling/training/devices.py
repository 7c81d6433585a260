"""Devices: the only file that knows one kind of device from another.

cpu and cuda are torch's own. xla is torch_xla: operations are recorded, and each step runs as one compiled program over
all chips of the worker's host. tpu is torch_tpu, its successor, with one chip per worker: written from its
documentation, never run. Neither is imported before it is needed: torch_tpu ends the process where there is no TPU.
"""

import contextlib
import importlib.util
import os
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaling.checks import check
from scaling.specs import Execution, Precision
from scaling.training.allocator import keep_freed_memory

DeviceKind = Literal["cpu", "cuda", "xla", "tpu"]
DEFAULT, FP32 = Execution(), Execution("fp32")
MEGACORES = ("v4", "v5p")  # TPUs whose device is a chip of two cores; of the others a device is a core


@dataclass(frozen=True)
class Device:
    """One worker's device, and its place among the workers of the run. Hardware: no part of any spec's identity."""

    kind: DeviceKind
    name: str  # of the chip, for the account
    execution: Execution  # with the precision that was chosen
    cores: int  # of this worker: CPU threads, 1 for a GPU, a TPU's cores by its maker's count
    rank: int = 0
    world: int = 1
    chips: int = 1  # that share the worker's part of a batch: all of a host's under XLA
    hosts: int = 1  # machines that the workers of the run are on
    slice: str | None = None  # name of the TPU slice
    seconds_queued: float = 0.0  # s that were waited for the worker group, counted for its first unit

    @property
    def precision(self) -> Precision:
        assert self.execution.precision is not None
        return self.execution.precision

    @property
    def loaders(self) -> int:
        """Processes that decode and crop photographs for this worker; with 0 its own threads do."""
        return self.execution.loaders or 0

    @property
    def used_cores(self) -> int:
        """Cores that this worker keeps from others, for the account: a GPU's, or its CPU threads and loaders."""
        return self.cores + (self.loaders if self.kind == "cpu" else 0)

    @property
    def torch(self) -> torch.device:
        return torch.device(self.kind, torch.cuda.current_device()) if self.kind == "cuda" else torch.device(self.kind)

    @property
    def fused(self) -> bool:
        """Whether torch has its fused optimizers for it; XLA fuses what it compiles anyway."""
        return self.kind in ("cpu", "cuda")

    def seed(self, value: int) -> None:
        """Seed this device's generator. (torch.manual_seed seeds those of all devices, which takes 0.3 ms.)"""
        match self.kind:
            case "cpu":
                torch.default_generator.manual_seed(value)
            case "cuda":
                torch.cuda.default_generators[self.torch.index].manual_seed(value)
            case "xla":
                _xla().manual_seed(value)
            case "tpu":
                torch.get_device_module("tpu").manual_seed(value)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """bf16 arithmetic if that is the precision; weights stay float32."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=torch.bfloat16)

    def put(self, batch: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        """A tensor of the host on the device, split over its chips where these can share it evenly.

        A GPU copies from pinned memory while it computes. A tensor that is on the device already is returned.
        """
        # Measurements put their batches there beforehand, and a tensor of a GPU cannot be pinned.
        if batch.device.type == self.kind:
            return batch
        match self.kind:
            case "cuda":
                return batch.pin_memory().to(self.torch, non_blocking=True)
            case "xla" if self.chips > 1 and len(batch) % self.chips == 0:
                return _split(batch, self.chips)
        return batch.to(self.torch)

    def run(self) -> None:
        """Under XLA: run what was recorded since the last call, without waiting for it. Other devices run at once."""
        if self.kind == "xla":
            _xla().sync()

    def stacked(self, values: list[Float[Tensor, ""]]) -> Float[Tensor, " n"]:
        """Numbers as one tensor; under XLA on the host, where each n would otherwise be a program of its own."""
        return torch.stack([value.cpu() for value in values] if self.kind == "xla" else values)

    def compiled(self, module: nn.Module) -> nn.Module:
        """The module, its training steps through torch.compile if `execution` says so.

        On a CPU without the compiler's order for least memory, which sums gradients after they have left the cache.
        """
        if self.execution.compile:
            module.compile(options={"reorder_for_peak_memory": self.kind != "cpu"})
        return module

    def joined(self, module: nn.Module) -> nn.Module:
        """The module for several workers: its backward pass exchanges gradients, except under XLA (see `exchange`)."""
        if self.world == 1 or self.kind == "xla":
            return module
        return DistributedDataParallel(module, gradient_as_bucket_view=True)  # no second copy of the gradients

    def exchange(self, module: nn.Module) -> None:
        """Under XLA: give every worker the mean of all gradients, through the hosts. Elsewhere DDP has done so."""
        if self.world == 1 or self.kind != "xla":
            return
        self.run()
        self.share_buffers(module)
        # As one tensor: an exchange for each parameter would wait for the network as often.
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        flat = mean_over_workers(torch.cat([gradient.flatten() for gradient in gradients]), self).to(self.torch)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def share_buffers(self, module: nn.Module) -> None:
        """Give every worker the first one's buffers, such as batch norm's statistics, which each has of its images."""
        if self.world == 1:
            return
        for buffer in module.buffers():
            value = buffer.cpu() if self.kind == "xla" else buffer
            dist.broadcast(value, src=0)
            if value is not buffer:
                buffer.copy_(value)


def local_device(execution: Execution = DEFAULT, threads: int | None = None, *, kind: str | None = None) -> Device:
    """This process's device and rank. Precision None: bf16 on a GPU that has it and on a TPU, float32 on a CPU.

    Kind None: a GPU where there is one; else a TPU where torch_tpu finds it; else XLA where PJRT_DEVICE says on what,
    which is torch_xla's own switch (TPU, or CPU to try it); else the CPU. On a CPU the threads decide how sums are
    split, and so the last bits of results: they are set, not left to the machine (default: OMP_NUM_THREADS, or 1).
    Raises ValueError for a kind that this machine does not have, with what to install.
    """
    initialized = dist.is_available() and dist.is_initialized()
    rank, world = (dist.get_rank(), dist.get_world_size()) if initialized else (0, 1)
    chosen = cast(DeviceKind, kind or _kind())
    check(chosen in get_args(DeviceKind), f"unknown device {chosen!r}: {', '.join(get_args(DeviceKind))}")
    match chosen:
        case "cuda":
            check(torch.cuda.is_available(), "device cuda: torch sees no GPU; install torch with CUDA, or take cpu")
            torch.backends.cuda.matmul.allow_tf32 = True  # of convolutions it is torch's default
            best: Precision = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
            name, cores, chips = torch.cuda.get_device_name(), 1, 1
        case "xla":
            best, name, cores, chips = _xla_device()
            execution = replace(execution, compile=False)  # XLA compiles every step anyway
        case "tpu":
            best, name, cores, chips = _tpu_device()
        case "cpu":
            cores = threads or int(os.environ.get("OMP_NUM_THREADS", "1"))
            torch.set_num_threads(cores)
            keep_freed_memory()
            best, name, chips = "fp32", "cpu", 1
    execution = replace(execution, precision=execution.precision or best)
    return Device(chosen, name, execution, cores, rank, world, chips)


def _kind() -> DeviceKind:
    if torch.cuda.is_available():
        return "cuda"
    if _tpu_found():
        return "tpu"
    return "xla" if "PJRT_DEVICE" in os.environ else "cpu"


def _xla() -> Any:
    """torch_xla. Raises ValueError when it is not installed."""
    check(
        importlib.util.find_spec("torch_xla") is not None,
        "device xla: torch_xla is not installed; in an environment of its own (it pairs with torch 2.9): "
        "pip install --constraint constraints-tpu-xla.txt '.[tpu-xla]'; or unset PJRT_DEVICE",
    )
    import torch_xla

    return torch_xla


def _xla_device() -> tuple[Precision, str, int, int]:
    """Best precision, name, cores and chips of the host's XLA devices, which from here on work as one."""
    _xla()
    import torch_xla.runtime as xr

    if not xr.is_spmd():
        xr.use_spmd()  # before anything asks for a device
    chips = xr.addressable_runtime_device_count()
    check(
        chips == xr.global_runtime_device_count(),
        f"device xla: {xr.global_runtime_device_count()} devices of which this host has {chips}: set up the TPU "
        "runtime for this host alone (TPU_PROCESS_BOUNDS=1,1,1); workers exchange gradients over the network",
    )
    if xr.device_type() != "TPU":
        return "fp32", f"xla-{str(xr.device_type()).lower()}", chips, chips
    accelerator = os.environ.get("TPU_ACCELERATOR_TYPE", "")
    return "bf16", f"tpu {accelerator}".strip(), tpu_cores(accelerator, chips), chips


def host_alone() -> None:
    """On a slice of several hosts, before its first step: use only the four TPUs of this host. Never run so far."""
    os.environ.update(TPU_PROCESS_BOUNDS="1,1,1", TPU_CHIPS_PER_PROCESS_BOUNDS="2,2,1", TPU_VISIBLE_CHIPS="0,1,2,3")


def tpu_cores(accelerator: str, devices: int) -> int:
    """Cores of a number of TPU devices, as their maker counts them, by Cloud TPU's name of the slice (v4-16)."""
    return devices * (2 if accelerator.partition("-")[0] in MEGACORES else 1)


def tpu_library() -> DeviceKind:
    """The kind of device for TPUs by the library that is installed: xla, or its successor tpu."""
    kinds: dict[str, DeviceKind] = {"torch_xla": "xla", "torch_tpu": "tpu"}
    # Looked for, not imported: torch_tpu ends a process that has no TPU.
    installed = [kind for library, kind in kinds.items() if importlib.util.find_spec(library) is not None]
    check(
        installed != [],
        "the cluster has TPUs, and neither torch_xla nor torch_tpu is installed here: "
        "pip install --constraint constraints-tpu-xla.txt '.[tpu-xla]'",
    )
    return installed[0]


def _tpu_found() -> bool:
    """Whether torch_tpu has a TPU. It comes with `import torch` where it is installed."""
    module = getattr(torch, "tpu", None)
    return module is not None and bool(module.is_available())


def _tpu_device() -> tuple[Precision, str, int, int]:
    """Best precision, name, cores and chips of this worker's TPU under torch_tpu. Never run so far."""
    check(_tpu_found(), "device tpu: there is no TPU that torch_tpu sees; on a TPU machine: pip install torch_tpu")
    accelerator = os.environ.get("TPU_ACCELERATOR_TYPE", "")
    return "bf16", f"tpu {accelerator}".strip(), tpu_cores(accelerator, 1), 1


def _split(batch: Shaped[Tensor, "b ..."], chips: int) -> Shaped[Tensor, "b ..."]:
    """The tensor on XLA's devices, an equal part of its first axis on each."""
    import torch_xla.core.xla_model as xm
    import torch_xla.distributed.spmd as spmd

    mesh = spmd.Mesh(list(range(chips)), (chips,), ("data",))
    spec = spmd.ShardingSpec(mesh, ("data",) + (None,) * (batch.ndim - 1))
    # Under SPMD the host's chips are one device, xla:0; the spec says which of them gets what.
    y: Shaped[Tensor, "b ..."] = xm.send_cpu_data_to_device([batch], "xla:0", spec)[0]
    return y


def broadcast(value: Any, device: Device) -> Any:
    """Rank 0's value, on every rank."""
    if device.world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def mean_over_workers(values: Float[Tensor, " n"], device: Device) -> Float[Tensor, " n"]:
    """The mean of a tensor over all workers, on every worker."""
    if device.world > 1:
        values = sum_over_workers(values, device)
        values /= device.world
    return values


def sum_over_workers(values: Float[Tensor, " n"], device: Device) -> Float[Tensor, " n"]:
    """The sum of a tensor over all workers, on every worker; of XLA's it is on the host."""
    if device.world > 1:
        values = values.cpu() if device.kind == "xla" else values  # XLA's workers meet by gloo, which reads host memory
        dist.all_reduce(values)
    return values


def union_over_workers(values: dict[str, None], device: Device) -> None:
    """Give every worker the keys of all workers."""
    if device.world > 1:
        keys: list[dict[str, None]] = [{} for _ in range(device.world)]
        dist.all_gather_object(keys, values)
        for of_worker in keys:
            values.update(of_worker)

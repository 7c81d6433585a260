"""What each worker and each trial gets of a cluster. Hardware: no part of any spec."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from clusters.hardware import SLICE_NAME, TPU_TYPE, Slice
from scaling.console import Machine
from scaling.training import Device, DeviceKind, host_alone, local_device

RESIZE_SECONDS = 30.0  # between two looks whether a group can have more workers


@dataclass(frozen=True)
class Placement:
    """A `Machine`, which says what was asked for, fitted into the cluster by `place`."""

    machine: Machine = field(default_factory=Machine)
    cpus: int = 1  # of a worker, besides those of its loaders
    gpus: int = 0  # of a worker: 0 or 1
    slice: Slice | None = None  # TPU slice of which worker groups reserve whole ones
    kind: DeviceKind | None = None  # None: what the worker finds
    groups: int = 1  # worker groups that train at the same time, a run each
    slots: int = 1  # trials with one worker that train at the same time

    @property
    def loaders(self) -> int:
        return self.machine.execution.loaders or 0

    @property
    def resources(self) -> dict[str, float]:
        """Ray resources of one worker and its loaders."""
        cpus = self.cpus + self.loaders
        if self.slice is not None:
            return {"CPU": cpus, "TPU": self.slice.chips_on_host if self.kind == "xla" else 1}
        return {"CPU": cpus, "GPU": self.gpus} if self.gpus else {"CPU": cpus}

    @property
    def trial_resources(self) -> dict[str, float]:
        """Ray resources of a trial with one worker."""
        return {**self.resources, "GPU": self.machine.trial_gpus} if self.gpus else self.resources

    def for_trials(self) -> "Placement":
        """The same workers in groups that do trials of several workers each, of a number that stays."""
        workers = self.machine.trial_workers
        machine = replace(self.machine, workers=workers, min_workers=None)
        return replace(self, machine=machine, groups=self.groups * self.machine.workers // workers)

    def device(self) -> Device:
        """The device of the worker that calls, which is a process of Ray's where there are TPUs."""
        if self.slice is not None:
            # Cloud TPU's machines tell Ray of their slice, but not processes that Ray starts.
            os.environ.setdefault(TPU_TYPE, self.slice.accelerator_type)
            if self.kind == "xla" and self.slice.hosts > 1:
                host_alone()
        device = local_device(self.machine.execution, self.cpus, kind=self.kind)
        return device if self.slice is None else replace(device, slice=_slice_here())


def _slice_here() -> str | None:
    """The name of the slice that this node belongs to, by Ray's label."""
    import ray  # here: a placement is made where there is none

    labels: Any = ray.get_runtime_context().get_node_labels()
    name: str | None = labels.get(SLICE_NAME)
    return name


def group_config(placement: Placement) -> Any:
    """The ray.train.ScalingConfig of a group of workers: whole slices on TPUs; from `min_workers` to `workers` of them.

    Raises ValueError where Ray finds that the numbers contradict each other.
    """
    import ray.train

    make: Any = ray.train.ScalingConfig
    most, fewest = placement.machine.workers, placement.machine.min_workers or placement.machine.workers
    fields: dict[str, Any] = {
        "num_workers": most if fewest == most else (fewest, most),
        "elastic_resize_monitor_interval_s": RESIZE_SECONDS,
        "use_gpu": placement.gpus > 0,
        "resources_per_worker": placement.resources,
    }
    if placement.slice is not None:
        fields["use_tpu"] = True
        if most > 1:  # one worker needs no slice by topology, which Ray does not know for single hosts of v2 and v3
            fields |= {"topology": placement.slice.topology, "accelerator_type": placement.slice.chip.ray}
    return make(**fields)


def scaling_config(wanted: Slice, *, slices: int = 1, cpus: int = 1) -> Any:
    """A ray.train.ScalingConfig: workers over one slice or several of the same shape, each with `cpus` CPUs.

    TPU: one worker per host with all of its chips; Ray reserves whole slices by topology. GPU: one worker per GPU of
    that type. Raises ValueError where Ray finds that the numbers contradict each other.
    """
    import ray.train  # here: the catalogue and the launch files need no ray

    make: Any = ray.train.ScalingConfig  # Train's second version, with fields that mypy does not see
    workers = wanted.workers * slices
    if wanted.topology is None:
        return make(
            num_workers=workers,
            use_gpu=True,
            accelerator_type=wanted.chip.ray,
            resources_per_worker={"CPU": cpus, "GPU": 1},
        )
    return make(
        num_workers=workers,
        use_tpu=True,
        topology=wanted.topology,
        accelerator_type=wanted.chip.ray,
        resources_per_worker={"CPU": cpus, "TPU": wanted.chips_on_host},
    )


def describe_slice(wanted: Slice) -> dict[str, Any]:
    """A slice in numbers, its ScalingConfig, and the sum of what that asks of a cluster, as a JSON value."""
    config = scaling_config(wanted)
    asked = {
        "num_workers": config.num_workers,
        "use_gpu": config.use_gpu,
        "use_tpu": config.use_tpu,
        "topology": config.topology,
        "accelerator_type": config.accelerator_type,
        "resources_per_worker": config.resources_per_worker,
    }
    return {
        "slice": wanted.name,
        "chip": wanted.chip.name,
        "chips": wanted.chips,
        "cores": wanted.cores,
        "hosts": wanted.hosts,
        "chips_on_host": wanted.chips_on_host,
        "workers": wanted.workers,
        "topology": wanted.topology,
        "price_usd_per_hour": wanted.price_usd_per_hour,
        "scaling_config": {name: value for name, value in asked.items() if value},
        "total_resources": config.total_resources,
    }

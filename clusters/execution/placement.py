"""What a unit of work gets of a cluster. Hardware: no part of any spec."""

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from clusters.hardware import SLICE_NAME, TPU_TYPE, Slice
from scaling.console import Tracking
from scaling.specs import Precision
from scaling.training import Device, Kind, host_alone, local_device

if TYPE_CHECKING:  # a worker parses no command line
    from scaling.console import Machine


@dataclass(frozen=True)
class Placement:
    workers: int = 1  # data-parallel workers of a pre-training run
    min_workers: int | None = None  # fewest that it goes on with when machines are lost; None: all of them
    cpus: int = 1  # a worker, when it has no GPU
    gpus: int = 0  # a worker: 0 or 1
    slice: Slice | None = None  # of TPUs: worker groups reserve whole ones of this shape
    kind: Kind | None = None  # of device; None: what the worker finds
    groups: int = 1  # runs that train side by side
    slots: int = 0  # trials that train side by side; of a wish: at most, 0 for as many as fit
    trial_workers: int = 1  # data-parallel workers of a trial
    trial_gpus: float = 1.0  # of a trial with one worker, where there are GPUs: several may share one
    precision: Precision | None = None  # fp32, bf16, or None: what the device does best
    compile: bool = False  # training steps through torch.compile
    microbatch: int | None = None  # images of a forward pass on a worker; None: its whole share of the batch
    tracking: Tracking = field(default_factory=Tracking)  # where trainings are shown besides the rows
    loaders: int | None = None  # processes of a worker that decode and crop photographs; 0: its own threads do

    @property
    def resources(self) -> dict[str, float]:
        """Ray resources of one worker and its loaders."""
        cpus = self.cpus + (self.loaders or 0)
        if self.slice is not None:
            return {"CPU": cpus, "TPU": self.slice.chips_on_host if self.kind == "xla" else 1}
        return {"CPU": cpus, "GPU": self.gpus} if self.gpus else {"CPU": cpus}

    @property
    def trial_resources(self) -> dict[str, float]:
        """Ray resources of a trial with one worker."""
        return {**self.resources, "GPU": self.trial_gpus} if self.gpus else self.resources

    def device(self) -> Device:
        """The device of the worker that calls, a process of Ray's where there are TPUs."""
        if self.slice is not None:
            os.environ.setdefault(TPU_TYPE, self.slice.accelerator_type)  # Cloud TPU's machines tell Ray, not us
            if self.kind == "xla" and self.slice.hosts > 1:
                host_alone()
        device = local_device(
            self.precision,
            self.cpus,
            kind=self.kind,
            compile=self.compile,
            microbatch=self.microbatch,
            loaders=self.loaders or 0,
        )
        return device if self.slice is None else replace(device, slice=_slice_here())


def _slice_here() -> str | None:
    """The name of the slice that this node is of, by Ray's label."""
    import ray  # here: a placement is made where there is none

    labels: Any = ray.get_runtime_context().get_node_labels()
    return labels.get(SLICE_NAME)


def placement_of(machine: "Machine") -> Placement:
    """What the options of a front door ask for."""
    return Placement(
        workers=machine.workers,
        min_workers=machine.min_workers,
        trial_workers=machine.trial_workers,
        trial_gpus=machine.trial_gpus,
        slots=machine.max_concurrent or 0,
        precision=machine.precision,
        compile=machine.compile,
        microbatch=machine.microbatch,
        loaders=machine.loaders,
        tracking=machine.tracking,
    )


RESIZE_SECONDS = 30.0  # between two looks whether a group can have more workers


def group_config(placement: Placement) -> Any:
    """The ray.train.ScalingConfig of a group of workers: on TPUs of whole slices, of a changing number if so placed.

    Raises ValueError where Ray finds the numbers at odds with each other.
    """
    import ray.train

    make: Any = ray.train.ScalingConfig
    most, fewest = placement.workers, placement.min_workers or placement.workers
    asked: dict[str, Any] = {
        "num_workers": most if fewest == most else (fewest, most),
        "elastic_resize_monitor_interval_s": RESIZE_SECONDS,
        "use_gpu": placement.gpus > 0,
        "resources_per_worker": placement.resources,
    }
    if placement.slice is not None:
        asked["use_tpu"] = True
        if most > 1:  # one worker needs no slice by topology, which Ray does not know for single hosts of v2 and v3
            asked |= {"topology": placement.slice.topology, "accelerator_type": placement.slice.chip.ray}
    return make(**asked)


def scaling_config(wanted: Slice, *, slices: int = 1, cpus: int = 1) -> Any:
    """A ray.train.ScalingConfig: workers over one slice or several of the same shape, each with `cpus` CPUs.

    TPU: a worker a host with all of its chips; Ray reserves whole slices by topology. GPU: a worker a GPU of that type.
    Raises ValueError where Ray finds the numbers at odds with each other.
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
    """A slice in numbers, with its ScalingConfig and what that asks of a cluster in all, as a JSON value."""
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

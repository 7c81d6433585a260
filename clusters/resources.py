"""What Ray Train is asked for: ScalingConfigs, checked by Ray's own validation when they are made."""

from typing import Any

from clusters.placement import Placement
from clusters.slices import Slice

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


def described(wanted: Slice) -> dict[str, Any]:
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

"""Units that need worker groups, on Ray Train: each group does one after the other.

A fit costs many seconds before its first step, and a TPU slice minutes to get, so a group stays for a whole queue.
"""

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchConfig, TorchTrainer

from clusters.grace import Line, together
from clusters.placement import Placement
from clusters.run_queue import RESTARTS, RunQueue, Snapshot
from clusters.work import Work, perform
from scaling.storage import DRAFTS, Storage
from scaling.training.devices import broadcast
from scaling.training.ledger import NonFiniteLossError, TrainingInterruptedError

Watch = Callable[[Snapshot], None]
RESIZE_SECONDS = 30.0  # between two looks whether a group can have more workers
COLLECTIVE_SECONDS = 1800  # then a worker that waits for the others gives up: nothing hangs for ever


def train_queue(
    units: Sequence[Work],
    *,
    storage: Storage,
    study: str,
    placement: Placement,
    watch: Watch,
    save_seconds: float,
    poll_seconds: float = 0.5,
) -> dict[str, str]:
    """Do all units, the dearest first, on as many groups as have room. Returns the error of each that failed, by id.

    `watch` is called every `poll_seconds` with the queue's snapshot. Raises RuntimeError when the groups end before the
    queue does.
    """
    ordered = sorted(units, key=lambda work: work.flops, reverse=True)
    queue: Any = ray.remote(RunQueue).options(num_cpus=0).remote([work.id for work in ordered])
    config = {
        "queue": queue,
        "units": {work.id: work for work in units},
        "storage": storage.uri,
        "study": study,
        "placement": placement,
        "save_seconds": save_seconds,
    }
    cache = f"{DRAFTS}/ray-{uuid.uuid4().hex}"  # Ray's own files, deleted at the end
    errors = together(
        [
            partial(_fit, {**config, "group": group}, placement, storage.path(cache), len(units))
            for group in range(min(placement.groups, len(units)))
        ],
        stop=queue.stop.remote,
        watch=lambda: watch(ray.get(queue.snapshot.remote())),
        poll_seconds=poll_seconds,
    )
    last: Snapshot = ray.get(queue.snapshot.remote())
    watch(last)
    storage.delete(cache)
    ray.kill(queue)
    if errors and len(last.finished) < len(units):
        raise RuntimeError(f"a worker group ended: {str(errors[0]).strip().splitlines()[0]}")
    return {unit_id: error for unit_id, error in last.finished.items() if error}


def _fit(config: dict[str, Any], placement: Placement, cache: str, units: int) -> None:
    fewest = placement.min_workers or placement.workers
    scaling: dict[str, Any] = {
        "num_workers": placement.workers if fewest == placement.workers else (fewest, placement.workers),
        "elastic_resize_monitor_interval_s": RESIZE_SECONDS,
        "use_gpu": placement.gpus > 0,
        "resources_per_worker": placement.resources,
    }
    TorchTrainer(
        _work,
        train_loop_config=config,
        torch_config=TorchConfig(backend="nccl" if placement.gpus else "gloo", timeout_s=COLLECTIVE_SECONDS),
        scaling_config=ScalingConfig(**scaling),
        run_config=RunConfig(
            name=f"group-{config['group']}",
            storage_path=cache,
            failure_config=FailureConfig(max_failures=RESTARTS * units),
        ),
    ).fit()


def _work(config: dict[str, Any]) -> None:
    """One worker's shift: take a unit, do it, until the queue is empty. Every rank is told rank 0's unit."""
    queue, group, placement = config["queue"], config["group"], config["placement"]
    device = placement.device()
    lead = get_context().get_world_rank() == 0
    while (unit_id := broadcast(ray.get(queue.take.remote(group, device.world)) if lead else None, device)) is not None:
        error = ""
        try:
            perform(
                config["units"][unit_id],
                storage=Storage(config["storage"]),
                study=config["study"],
                device=device,
                report=Line(queue, unit_id) if lead else _silent,
                save_seconds=config["save_seconds"],
            )
        except TrainingInterruptedError:
            return
        except (ValueError, NonFiniteLossError) as reason:  # the same on every rank, so the group can go on
            error = str(reason)
        except Exception as reason:
            if device.world > 1:  # the other ranks may hang in a collective: let Ray restart the group
                raise
            error = f"{type(reason).__name__}: {reason}"
        if lead:
            ray.get(queue.finish.remote(group, error))


def _silent(step: int, metrics: dict[str, Any]) -> None: ...

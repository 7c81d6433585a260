"""Units that need worker groups, on Ray Train: each group does one after the other.

A fit costs many seconds before its first step, and a TPU slice minutes to get, so a group stays for a whole queue.
"""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchConfig, TorchTrainer

from clusters.placement import Placement
from clusters.run_queue import RESTARTS, RunQueue, Snapshot
from clusters.work import Work, perform
from scaling.storage import DRAFTS, Storage
from scaling.training.devices import broadcast
from scaling.training.ledger import NonFiniteLossError, TrainingInterruptedError

Watch = Callable[[Snapshot], None]
GRACE_SECONDS = 15.0  # after a SIGTERM or Ctrl-C, for checkpoints; a cluster that takes a machine back gives 20 or 30


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
    groups = min(placement.groups, len(units))
    config = {
        "queue": queue,
        "units": {work.id: work for work in units},
        "storage": storage.uri,
        "study": study,
        "placement": placement,
        "save_seconds": save_seconds,
    }
    cache = f"{DRAFTS}/ray-{uuid.uuid4().hex}"  # Ray's own files, deleted at the end
    errors: list[BaseException] = []

    def fit(group: int) -> None:
        try:
            _fit({**config, "group": group}, placement, storage.path(cache), len(units))
        except Exception as error:
            errors.append(error)

    # daemons: Ctrl-C must not wait for a fit
    threads = [threading.Thread(target=fit, args=(group,), daemon=True) for group in range(groups)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            watch(ray.get(queue.snapshot.remote()))
            time.sleep(poll_seconds)
    except KeyboardInterrupt:
        queue.stop.remote()
        _wait(threads, GRACE_SECONDS)
        raise
    last: Snapshot = ray.get(queue.snapshot.remote())
    watch(last)
    storage.delete(cache)
    ray.kill(queue)
    if errors and len(last.finished) < len(units):
        raise RuntimeError(f"a worker group ended: {str(errors[0]).strip().splitlines()[0]}")
    return {unit_id: error for unit_id, error in last.finished.items() if error}


def _wait(threads: Sequence[threading.Thread], seconds: float) -> None:
    """Until all have ended, so long at most."""
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _fit(config: dict[str, Any], placement: Placement, cache: str, units: int) -> None:
    TorchTrainer(
        _work,
        train_loop_config=config,
        torch_config=TorchConfig(backend="nccl" if placement.gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=placement.workers, use_gpu=placement.gpus > 0, resources_per_worker=placement.resources
        ),
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
    while (unit_id := broadcast(ray.get(queue.take.remote(group)) if lead else None, device)) is not None:
        error = ""
        try:
            perform(
                config["units"][unit_id],
                storage=Storage(config["storage"]),
                study=config["study"],
                device=device,
                report=_Line(queue, unit_id) if lead else _silent,
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


class _Line:
    """The lead worker's line to the queue: it says how far it is and hears whether to stop, and waits for neither."""

    def __init__(self, queue: Any, unit_id: str) -> None:
        self._queue, self._unit_id = queue, unit_id
        self._answer: Any = None

    def __call__(self, step: int, metrics: dict[str, Any]) -> bool:
        if self._answer is not None and not ray.wait([self._answer], timeout=0)[0]:
            return False
        stop = self._answer is not None and ray.get(self._answer)
        self._answer = self._queue.report.remote(self._unit_id, step, metrics)
        return stop


def _silent(step: int, metrics: dict[str, Any]) -> None: ...

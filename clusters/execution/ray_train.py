"""Units that need worker groups, on Ray Train: each group does one unit after the other.

A fit takes many seconds before its first step, and a TPU slice minutes to get, so a group stays for a whole queue.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import ray
import torch.distributed as dist
from ray.train import FailureConfig, RunConfig, get_context
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2._internal.execution.context import get_train_context
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from clusters.execution.gloo import GlooConfig
from clusters.execution.hangs import this_worker
from clusters.execution.perform import unit_call
from clusters.execution.placement import Placement, group_config
from clusters.execution.queue import RESTARTS, RunQueue, Snapshot
from clusters.execution.shutdown import StopChannel, attend, driver_actor, run_concurrently
from clusters.execution.tracking import tracked
from clusters.execution.work import Work
from scaling.checks import pass_on_notes
from scaling.store import Storage, StorageError
from scaling.training import Device, NonFiniteLossError, Report, Stop, TrainingInterruptedError, broadcast

Watch = Callable[[Snapshot], None]
LATE_SECONDS = 60.0  # after the moment at which a machine goes; by then Ray has moved the group
COLLECTIVE_SECONDS = 1800  # after which a worker that waits for the others gives up: nothing hangs for ever


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
    """Do all units, the most expensive first, on as many groups as there is room for.

    Returns the error of each unit that failed, by id. `watch` is called every `poll_seconds` with the queue's snapshot.
    Raises RuntimeError when the groups end before the queue does.
    """
    # A long run that began last would leave all other groups idle at the end.
    ordered = sorted(units, key=lambda work: work.flops, reverse=True)
    queue = driver_actor(RunQueue, [work.id for work in ordered])
    config = {
        "queue": queue,
        "units": {work.id: work for work in units},
        "storage": storage,
        "study": study,
        "placement": placement,
        "save_seconds": save_seconds,
    }

    def look() -> None:
        watch(ray.get(queue.snapshot.remote()))
        attend(queue, placement.machine.hang_seconds, storage)

    # Anew at each start: Ray would go by what an earlier one left there, and fails at a snapshot that is torn.
    cache = storage.scratch()  # for Ray's own files; deleted at the end
    errors = run_concurrently(
        [
            # In the storage: Ray's files must lie where all machines of a group see them.
            partial(_fit, {**config, "group": group}, storage.path(cache))
            for group in range(min(placement.groups, len(units)))
        ],
        stop=queue.stop.remote,
        watch=look,
        poll_seconds=poll_seconds,
        beat=lambda: ray.get(queue.beat.remote()),
    )
    look()  # what has ended since the last time
    last: Snapshot = ray.get(queue.snapshot.remote())
    storage.delete(cache)
    ray.kill(queue)
    # A group that breaks when all units are done has lost nothing.
    if errors and len(last.finished) < len(units):
        raise RuntimeError(f"a worker group ended: {str(errors[0]).strip().splitlines()[0]}")
    return {unit_id: error for unit_id, error in last.finished.items() if error}


def _fit(config: dict[str, Any], cache: str) -> None:
    """Run one group of workers until the queue is empty; `config` goes to each worker."""
    placement: Placement = config["placement"]
    ray.get(config["queue"].asked.remote(config["group"]))
    trainer: dict[str, Any] = {
        "train_loop_config": config,
        "scaling_config": group_config(placement),
        "run_config": RunConfig(
            name=f"group-{config['group']}",
            storage_path=cache,
            # Of the whole shift; restarts on one unit are counted by the queue.
            failure_config=FailureConfig(max_failures=RESTARTS * len(config["units"])),
        ),
    }
    if placement.kind == "xla":
        DataParallelTrainer(work_shift, backend_config=GlooConfig(COLLECTIVE_SECONDS), **trainer).fit()
        return
    backend = None if placement.kind == "tpu" else "nccl" if placement.gpus else "gloo"  # None: Ray's own, for TPUs
    TorchTrainer(work_shift, torch_config=TorchConfig(backend=backend, timeout_s=COLLECTIVE_SECONDS), **trainer).fit()


def work_shift(config: dict[str, Any]) -> None:
    """What Ray Train calls in every worker: take a unit, do it, until the queue is empty.

    Rank 0 leads: it takes from the queue, and tells the other ranks its unit.
    """
    queue, group, placement = config["queue"], config["group"], config["placement"]
    lead = get_context().get_world_rank() == 0
    pass_on_notes(queue.note.remote)
    waited = ray.get(queue.waited.remote(group)) if lead else 0.0
    device = _with_group(placement.device(), waited)
    while (unit_id := broadcast(ray.get(queue.take.remote(group, device.world)) if lead else None, device)) is not None:
        error = ""
        try:
            work, storage, study = config["units"][unit_id], config["storage"], config["study"]
            queue.join.remote(unit_id, this_worker(work.unit))
            shown = tracked(StopChannel(queue, unit_id), work, placement.machine.tracking, storage, study)
            # Queue and trackers hear rank 0 alone; what the others ask is whether a machine is taken away.
            with shown if lead else nullcontext(_silent) as report:
                unit_call(
                    work,
                    storage=storage,
                    study=study,
                    device=device,
                    report=partial(_stop, report),
                    save_seconds=config["save_seconds"],
                )()
        except TrainingInterruptedError:
            _leave(queue, group)
            return
        except StorageError:  # of this rank alone, and of no unit: the lease is lost, or the storage takes no more
            raise
        except (ValueError, NonFiniteLossError) as reason:  # the same on every rank, so the group can go on
            error = str(reason)
        except Exception as reason:
            if device.world > 1:  # the other ranks may hang in a collective: let Ray restart the group
                raise
            error = f"{type(reason).__name__}: {reason}"
        if lead:
            ray.get(queue.finish.remote(group, error))
        # The wait for the group counts once, for its first unit.
        device = replace(device, seconds_queued=0.0)


def _with_group(device: Device, waited: float) -> Device:
    """The device with what the ledger says of its group: the number of machines, and seconds waited for the group."""
    names: list[str] = [""] * device.world
    if device.world > 1:
        dist.all_gather_object(names, ray.get_runtime_context().get_node_id())
    return replace(device, hosts=len(set(names)), seconds_queued=waited)


def _stop(report: Report, step: int, metrics: dict[str, Any]) -> Stop:
    """Whether to stop: because the driver says so, or because a machine of the group is about to be taken away."""
    return report(step, metrics) or (None if _notice() is None else "preemption")


def _notice() -> Any:
    """Ray's PreemptionInfo, which every worker of a group gets. Its public reader waits for the other workers."""
    return get_train_context().preemption_context.preemption_info


def _leave(queue: Any, group: int) -> None:
    """End a worker's shift, after a checkpoint at the last step.

    If a machine is taken away, wait until Ray moves the group elsewhere: to Ray, a worker that returns has finished,
    and one that raises before that counts as a failure.
    """
    notice = _notice()
    if notice is None or not ray.get(queue.leave.remote(group)):
        return
    if notice.deadline_ms is not None:
        time.sleep(max(0.0, notice.deadline_ms / 1000 - time.time()) + LATE_SECONDS)
    raise RuntimeError("a machine of this group is taken away")


def _silent(step: int, metrics: dict[str, Any]) -> None: ...

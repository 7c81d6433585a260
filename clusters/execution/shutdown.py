"""An end in good order: whoever is told to stop lets the workers put what they have into checkpoints first.

Ctrl-C and SIGTERM are KeyboardInterrupt in the driver's main thread, which therefore only waits; Ray's loops run in
threads of their own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

GRACE_SECONDS = 15.0  # for checkpoints; a cluster that takes a machine back gives 20 or 30


def run_concurrently(
    works: Sequence[Callable[[], object]],
    *,
    stop: Callable[[], object],
    watch: Callable[[], object] = lambda: None,
    poll_seconds: float = 0.5,
) -> list[Exception]:
    """Run functions side by side until all have ended, and return the errors of those that failed.

    `watch` is called every `poll_seconds`. On KeyboardInterrupt `stop` is called, the functions have GRACE_SECONDS to
    end, and it is raised again.
    """
    errors: list[Exception] = []
    ended = [threading.Event() for _ in works]  # a Thread.join that Ctrl-C breaks off takes the thread for ended

    def run(work: Callable[[], object], end: threading.Event) -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            end.set()

    for each in zip(works, ended, strict=True):  # daemons: a second Ctrl-C must not wait for them
        threading.Thread(target=run, args=each, daemon=True).start()
    try:
        while not all(end.is_set() for end in ended):
            watch()
            _wait(ended, poll_seconds)
    except KeyboardInterrupt:
        stop()
        _wait(ended, GRACE_SECONDS)
        raise
    return errors


def _wait(events: Sequence[threading.Event], seconds: float) -> None:
    """Until all are set, so long at most."""
    end = time.monotonic() + seconds
    for event in events:
        event.wait(max(0.0, end - time.monotonic()))


def driver_actor(kind: type, *arguments: Any) -> Any:
    """An actor of that class on the driver's machine: any other may be lost while it is needed."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(kind).options(num_cpus=0, scheduling_strategy=here).remote(*arguments)


class Flag:
    """What workers ask whether to stop, where no queue tells them. Plain Python: Ray makes an actor of it."""

    def __init__(self) -> None:
        self._stopped = False
        self._steps: dict[str, int] = {}

    def stop(self) -> None:
        self._stopped = True

    def report(self, unit_id: str, step: int, metrics: dict[str, Any]) -> bool:
        self._steps[unit_id] = step
        return self._stopped

    def steps(self) -> dict[str, int]:
        """How far those that report are, by id."""
        return self._steps


class StopChannel:
    """A worker's line to a queue or flag: it says how far it is and hears whether to stop, and waits for neither."""

    def __init__(self, actor: Any, unit_id: str) -> None:
        self._actor, self._unit_id = actor, unit_id
        self._answer: Any = None

    def __call__(self, step: int, metrics: dict[str, Any]) -> bool:
        if self._answer is not None and not ray.wait([self._answer], timeout=0)[0]:
            return False
        stop = self._answer is not None and ray.get(self._answer)
        self._answer = self._actor.report.remote(self._unit_id, step, metrics)
        return stop

"""An orderly shutdown: a driver that is told to stop first lets its workers save checkpoints.

Ctrl-C, SIGTERM and SIGHUP are a KeyboardInterrupt in the driver's main thread, and so is output that nobody reads any
more. That thread therefore only waits, and Ray's loops run in threads of their own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from scaling.console import output_lost

GRACE_SECONDS = 15.0  # to save checkpoints in; a cluster that takes a machine back gives 20 or 30


def run_concurrently(
    functions: Sequence[Callable[[], object]],
    *,
    stop: Callable[[], object],
    watch: Callable[[], object] = lambda: None,
    poll_seconds: float = 0.5,
) -> list[Exception]:
    """Run functions in threads until all have ended, and return the errors of those that failed.

    `watch` is called every `poll_seconds`. On KeyboardInterrupt `stop` is called, the functions get GRACE_SECONDS to
    end, and the interrupt is raised again.
    """
    errors: list[Exception] = []
    ended = [threading.Event() for _ in functions]  # a Thread.join that Ctrl-C breaks off takes the thread for ended

    def run(function: Callable[[], object], end: threading.Event) -> None:
        try:
            function()
        except Exception as error:
            errors.append(error)
        finally:
            end.set()

    for arguments in zip(functions, ended, strict=True):  # daemons: a second Ctrl-C must not wait for them
        threading.Thread(target=run, args=arguments, daemon=True).start()
    try:
        while not all(end.is_set() for end in ended):
            watch()
            _wait(ended, poll_seconds)
            if output_lost():
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        stop()
        _wait(ended, GRACE_SECONDS)
        raise
    return errors


def _wait(events: Sequence[threading.Event], seconds: float) -> None:
    """Wait until all events are set, at most so many seconds."""
    end = time.monotonic() + seconds
    for event in events:
        event.wait(max(0.0, end - time.monotonic()))


def driver_actor(kind: type, *arguments: Any) -> Any:
    """An actor of that class on the driver's machine, since any other machine may be lost while the actor is needed."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # No CPU, or it would wait for one until a trial has ended.
    return ray.remote(kind).options(num_cpus=0, scheduling_strategy=here).remote(*arguments)


class Flag:
    """Tells workers to stop where there is no queue to do so, and gathers their steps. Ray makes an actor of it."""

    def __init__(self) -> None:
        self._stopped = False
        self._steps: dict[str, int] = {}

    def stop(self) -> None:
        self._stopped = True

    def report(self, unit_id: str, step: int, metrics: dict[str, Any]) -> bool:
        self._steps[unit_id] = step
        return self._stopped

    def steps(self) -> dict[str, int]:
        """The steps that each unit has done, by id."""
        return self._steps


class StopChannel:
    """A worker's report to a queue or flag: it sends the step and returns whether to stop, without waiting.

    So the answer is that to an earlier report: a step would be slow to wait for a round trip to the driver.
    """

    def __init__(self, actor: Any, unit_id: str) -> None:
        self._actor, self._unit_id = actor, unit_id
        self._answer: Any = None

    def __call__(self, step: int, metrics: dict[str, Any]) -> bool:
        if self._answer is not None and not ray.wait([self._answer], timeout=0)[0]:
            return False
        stop = self._answer is not None and ray.get(self._answer)
        self._answer = self._actor.report.remote(self._unit_id, step, metrics)
        return stop

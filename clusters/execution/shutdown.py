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

from clusters.execution.hangs import Hang, Hangs, Worker, end_hung
from scaling.checks import say
from scaling.console import output_lost
from scaling.store import Storage

BEAT_SECONDS = 3.0  # between two signs of life of the driver
SILENT_SECONDS = 45.0  # without one, after which workers stop: before another process may take the storage over
GRACE_SECONDS = 15.0  # to save checkpoints in; a cluster that takes a machine back gives 20 or 30


def run_concurrently(
    functions: Sequence[Callable[[], object]],
    *,
    stop: Callable[[], object],
    watch: Callable[[], object] = lambda: None,
    poll_seconds: float = 0.5,
    beat: Callable[[], bool] = lambda: False,
) -> list[Exception]:
    """Run functions in threads until all have ended, and return the errors of those that failed.

    `watch` is called every `poll_seconds`, and `beat` in a thread: a sign of life, which returns whether it comes too
    late; then DriverSilentError is raised soon. On KeyboardInterrupt `stop` is called, the functions get GRACE_SECONDS
    to end, and the interrupt is raised again.
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
    silent = threading.Event()
    alive = (beat, lambda: all(end.is_set() for end in ended), silent)
    threading.Thread(target=keep_beating, args=alive, daemon=True).start()
    try:
        while not all(end.is_set() for end in ended):
            watch()
            _wait(ended, poll_seconds)
            if output_lost():
                raise KeyboardInterrupt
            if silent.is_set():
                stop()
                raise DriverSilentError(
                    f"this process was stopped or asleep for more than {SILENT_SECONDS:.0f} s, so its workers have "
                    "stopped; what is done stays done: the same command goes on from there"
                )
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


class DriverSilentError(ValueError):
    """The driver gave no sign of life for long, so its workers have stopped."""


class Pulse:
    """The driver's signs of life, in an actor: another process, which lives on while the driver is stopped."""

    def __init__(self) -> None:
        self._heard, self._silent = time.monotonic(), False

    def beat(self) -> bool:
        """A sign of life. Returns whether it comes too late: workers may have been told to stop."""
        late = self.silent
        self._heard = time.monotonic()
        return late

    @property
    def silent(self) -> bool:
        """Whether the driver is silent, or ever was, for longer than SILENT_SECONDS."""
        self._silent = self._silent or time.monotonic() - self._heard > SILENT_SECONDS
        return self._silent


def keep_beating(beat: Callable[[], bool], ended: Callable[[], bool], silent: threading.Event) -> None:
    """Send signs of life until all has ended; sets the event when one comes too late.

    In a thread of its own: the main one may wait for a terminal.
    """
    while not ended():
        try:
            if beat():
                silent.set()
                return
        except ray.exceptions.RayError:  # whoever waits for the actor tells of it
            return
        time.sleep(BEAT_SECONDS)


class Flag:
    """Tells workers to stop, and gathers their steps and notes. Ray makes an actor of it."""

    def __init__(self) -> None:
        self._stopped, self._pulse, self._hangs = False, Pulse(), Hangs()
        self._steps: dict[str, int] = {}
        self._notes: list[str] = []

    @property
    def stopping(self) -> bool:
        """Whether all who report are told to stop."""
        return self._stopped or self._pulse.silent

    def stop(self) -> None:
        self._stopped = True

    def beat(self) -> bool:
        """See `Pulse`."""
        return self._pulse.beat()

    def note(self, text: str) -> None:
        """A note of a worker, for people."""
        self._notes.append(text)

    def news(self, seconds: float) -> tuple[list[str], list[Hang]]:
        """The notes since the last call, and what hangs by `Hangs.found`; with 0 s nothing does."""
        notes, self._notes = self._notes, []
        return notes, self._hangs.found(seconds) if seconds else []

    def begin(self, worker: Worker) -> None:
        """Note that a worker has begun its unit."""
        self._hangs.begin(worker.unit_id)
        self._hangs.join(worker.unit_id, worker)

    def end(self, unit_id: str) -> None:
        """Note that it has ended it."""
        self._hangs.end(unit_id)

    def report(self, unit_id: str, step: int, metrics: dict[str, Any]) -> bool:
        """Note that a unit has got to `step`. Returns whether it is to stop."""
        self._steps[unit_id] = step
        self._hangs.report(unit_id, metrics.get("next", "step"))
        return self.stopping

    def steps(self) -> dict[str, int]:
        """The steps that each unit has done, by id."""
        return self._steps


def attend(flag: Any, seconds: float, storage: Storage) -> None:
    """Say what a `Flag`'s workers have noted, and end those that hang for `seconds`; 0: none does."""
    notes, hangs = ray.get(flag.news.remote(seconds))
    say(notes)
    end_hung(hangs, storage)


class StopChannel:
    """A worker's report to a queue or flag: it sends the step and returns whether to stop, without waiting.

    So the answer is that to an earlier report: a step would be slow to wait for a round trip to the driver.
    """

    def __init__(self, actor: Any, unit_id: str) -> None:
        self._actor, self._unit_id = actor, unit_id
        self._answer: Any = None
        self._asked = 0.0  # when the report without an answer was sent

    def __call__(self, step: int, metrics: dict[str, Any]) -> bool:
        answered = self._answer is not None and bool(ray.wait([self._answer], timeout=0)[0])
        if answered or self._answer is None:
            self._asked = time.monotonic()
        elif time.monotonic() - self._asked > SILENT_SECONDS:
            return True  # no answer for long: the driver's machine is gone, or cannot be reached
        elif metrics["next"] == "step":  # anything else must be known, see `Hangs`
            return False
        stop = answered and ray.get(self._answer)
        self._answer = self._actor.report.remote(self._unit_id, step, metrics)
        return stop

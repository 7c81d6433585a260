"""Workers that make no step any more: missed by their reports, ended by the driver, begun anew by Ray.

A process that was stopped, a kernel or a network file that never answers: whatever it is, the reports stay away, and in
a group one such worker holds up all. Who counts is the actor that hears the reports; who acts is the driver.
"""

import contextlib
import os
import signal
import statistics
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clusters.execution.work import Work, title_of
from scaling.checks import say
from scaling.specs import EvaluationRun, Pretrain, Probe, Transfer
from scaling.store import Storage, earlier_attempts, settle_unit

GAPS = 20  # times the usual time to the next report, before its absence is a hang: steps of minutes take their time
FEW = 3  # times that must be known to say what is usual
UNKNOWN = 60  # times as long until then: a start, the first evaluations, the end of a training
TICK_SECONDS = 2.0  # that count at most from one look to the next: a machine that slept has missed no step
KILL_SECONDS = 30.0  # for a node to end a process


@dataclass(frozen=True)
class Worker:
    """A process that works on a unit."""

    unit_id: str
    title: str  # of the unit, for people
    node: str  # Ray's id
    pid: int


@dataclass(frozen=True)
class Hang:
    """An item that has made no step for `seconds`, and who works on it."""

    workers: tuple[Worker, ...]
    seconds: float
    usual: float | None  # s to the next report after one like the last; None: not known yet


@dataclass
class _Watched:
    heard: float  # on the clock of `Hangs`
    workers: list[Worker] = field(default_factory=list)
    coming: str = "start"  # what the last report said to come next
    gaps: dict[str, deque[float]] = field(default_factory=dict)  # s to the next report, by what came between


class Hangs:
    """When each item's workers last reported, in an actor that hears them."""

    def __init__(self) -> None:
        self._items: dict[str, _Watched] = {}
        self._clock, self._looked = 0.0, time.monotonic()

    def begin(self, item: str) -> None:
        """An item is begun, perhaps anew: its workers are others."""
        self._items[item] = _Watched(self._clock)

    def join(self, item: str, worker: Worker) -> None:
        if item in self._items:
            self._items[item].workers.append(worker)

    def report(self, item: str, coming: str) -> None:
        """A report, and what comes next: a step, a checkpoint, an evaluation, the end."""
        self._tick()
        watched = self._items.get(item)
        if watched is not None:
            watched.gaps.setdefault(watched.coming, deque(maxlen=GAPS)).append(self._clock - watched.heard)
            watched.heard, watched.coming = self._clock, coming

    def end(self, item: str) -> None:
        self._items.pop(item, None)

    def found(self, least: float) -> list[Hang]:
        """The items that hang, each said once. `least`: seconds without a report that are none in any case."""
        self._tick()
        hangs = []
        for item, watched in list(self._items.items()):
            gaps = watched.gaps.get(watched.coming, ())
            usual = statistics.median(gaps) if len(gaps) >= FEW else None
            limit = UNKNOWN * least if usual is None else max(least, GAPS * usual)
            if self._clock - watched.heard > limit:
                hangs.append(Hang(tuple(watched.workers), self._clock - watched.heard, usual))
                self.end(item)
        return hangs

    def _tick(self) -> None:
        now = time.monotonic()
        self._clock += min(now - self._looked, TICK_SECONDS)
        self._looked = now


def this_worker(unit: Pretrain | Transfer) -> Worker:
    """The process that calls."""
    return Worker(unit.id, title_of(unit), ray.get_runtime_context().get_node_id(), os.getpid())


@contextlib.contextmanager
def watched(flag: Any, work: Work) -> Iterator[None]:
    """Let a `Flag` watch the block, in which this process does the unit. A probe or evaluation has no steps to miss."""
    if isinstance(work.unit, Probe | EvaluationRun):
        yield
        return
    flag.begin.remote(this_worker(work.unit))
    try:
        yield
    finally:
        flag.end.remote(work.unit.id)


def end_hung(hangs: Iterable[Hang], storage: Storage) -> None:
    """End the workers of what hangs, say so, and close the accounts of their attempts: Ray begins them anew."""
    for hang in hangs:
        if not hang.workers:  # Ray is at making them
            continue
        first = hang.workers[0]
        attempts = earlier_attempts(storage, first.unit_id)  # before Ray begins the next one
        if sum(_end(worker) for worker in hang.workers):
            usual = "" if hang.usual is None else f", where it took {hang.usual:.2g} s before"
            said = f"no step for {hang.seconds:.0f} s{usual}"
            settle_unit(storage, attempts, f"hung: {said}")
            say([f"{first.title}: {said}; its workers begin anew from the last checkpoint (--hang-seconds)"])


def _end(worker: Worker) -> bool:
    """SIGKILL, which ends a stopped process too, by a task on its node. Whether there was such a process."""
    there = NodeAffinitySchedulingStrategy(worker.node, soft=False)
    task = ray.remote(_kill).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
    with contextlib.suppress(ray.exceptions.RayError):  # the node is gone, and the process with it
        return bool(ray.get(task.remote(worker.pid), timeout=KILL_SECONDS))
    return False


def _kill(pid: int) -> bool:
    with contextlib.suppress(OSError):
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):  # its number may be another's by now
            os.kill(pid, signal.SIGKILL)
            return True
    return False

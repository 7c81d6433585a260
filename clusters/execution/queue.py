"""The queue that worker groups take their units from. Plain Python, which Ray makes an actor of."""

import time
from dataclasses import dataclass
from typing import Any

from clusters.execution.hangs import Worker
from clusters.execution.shutdown import Flag

RESTARTS = 3  # of a worker group on one unit, before the unit is given up


@dataclass(frozen=True)
class Snapshot:
    """The state of a queue at one moment, by item."""

    progress: dict[str, dict[str, Any]]  # last report of each item that a group works on
    finished: dict[str, str]  # error of each item that ended, '' without one


class RunQueue(Flag):
    """A flag that hands out work as well.

    Each waiting item goes to one group, and it is remembered which group has which. A group that asks again without
    having finished its item was restarted, and gets the same item back: up to RESTARTS times if a worker died, and any
    number of times if its number of workers changed or its machine was taken away.
    """

    def __init__(self, items: list[str]) -> None:
        super().__init__()
        self._waiting = list(items)
        self._held: dict[int, str] = {}
        self._workers: dict[int, int] = {}  # number of each group's workers when it last asked
        self._restarts: dict[str, int] = {}
        self._heard: dict[int, float] = {}  # `time.monotonic` of each group's last heartbeat or request
        self._leaving: set[int] = set()  # groups that lose a machine
        self._progress: dict[str, dict[str, Any]] = {}
        self._finished: dict[str, str] = {}

    def asked(self, group: int) -> None:
        """Note that the workers of a group are asked for now."""
        self._heard[group] = time.monotonic()

    def waited(self, group: int) -> float:
        """Seconds that the group's workers, now there, were waited for: since the request or their last heartbeat."""
        return time.monotonic() - self._heard[group]

    def leave(self, group: int) -> bool:
        """Note that a machine of the group is about to be taken away. Returns whether it is to go on elsewhere."""
        self._leaving.add(group)
        self.end(self._held[group])  # it waits for its move, and misses no step
        return not self.stopping

    def take(self, group: int, workers: int = 1) -> str | None:
        """The item that group `group` is to work on next, or None when nothing waits or all is to stop."""
        # Even a group that holds an item gets none: the next start goes on from the item's checkpoint.
        if self.stopping:
            return None
        self.asked(group)
        held = self._held.get(group)
        died = self._workers.get(group) == workers and group not in self._leaving
        self._workers[group] = workers
        self._leaving.discard(group)
        if held is not None:
            # A resize or a machine that is taken away counts nothing against the item.
            self._restarts[held] = self._restarts.get(held, 0) + died
            if self._restarts[held] <= RESTARTS:
                self._hangs.begin(held)
                return held
            self.finish(group, f"its workers died {RESTARTS + 1} times")
        if not self._waiting:
            return None
        self._held[group] = self._waiting.pop(0)
        self._hangs.begin(self._held[group])
        return self._held[group]

    def join(self, item: str, worker: Worker) -> None:
        """Note that a worker of the group that has taken the item is there."""
        self._hangs.join(item, worker)

    def finish(self, group: int, error: str = "") -> None:
        """Note that the group has ended its item, with or without an error."""
        item = self._held.pop(group)
        self._finished[item] = error
        self._progress.pop(item, None)
        self.end(item)

    def report(self, item: str, step: int, metrics: dict[str, Any]) -> bool:
        """Note that an item has got to `step`. Returns whether it is to stop."""
        self._progress[item] = {"step": step, **metrics}
        # A report is a sign of life of the group that holds the item.
        self._heard.update({group: time.monotonic() for group, held in self._held.items() if held == item})
        return super().report(item, step, metrics)

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self._progress), dict(self._finished))

"""The queue that worker groups take their runs from. Plain Python: Ray makes an actor of it."""

from dataclasses import dataclass
from typing import Any

RESTARTS = 3  # of a worker group on one run, before the run is given up


@dataclass(frozen=True)
class Snapshot:
    """`progress`: the last report of every item at work. `finished`: error ('' for none) of every item that ended."""

    progress: dict[str, dict[str, Any]]
    finished: dict[str, str]


class RunQueue:
    """Hands each waiting item to one group, keeps what every group is at, and gathers progress.

    A group that asks again without having finished was restarted: it gets the same item back, up to RESTARTS times
    where a worker died, and always when it has more or fewer workers than before.
    """

    def __init__(self, items: list[str]) -> None:
        self._waiting = list(items)
        self._held: dict[int, str] = {}
        self._workers: dict[int, int] = {}  # of each group, when it last asked
        self._restarts: dict[str, int] = {}
        self._progress: dict[str, dict[str, Any]] = {}
        self._finished: dict[str, str] = {}
        self._stopped = False

    def stop(self) -> None:
        """Hand out nothing more, and tell whoever reports."""
        self._stopped = True

    def take(self, group: int, workers: int = 1) -> str | None:
        """The item that group `group` is to work on next, or None when nothing waits or all is to stop."""
        if self._stopped:
            return None
        held, resized = self._held.get(group), self._workers.get(group) != workers
        self._workers[group] = workers
        if held is not None:
            self._restarts[held] = self._restarts.get(held, 0) + (not resized)
            if self._restarts[held] <= RESTARTS:
                return held
            self.finish(group, f"its workers died {RESTARTS + 1} times")
        if not self._waiting:
            return None
        self._held[group] = self._waiting.pop(0)
        return self._held[group]

    def finish(self, group: int, error: str = "") -> None:
        """The group is through with its item, with or without an error."""
        item = self._held.pop(group)
        self._finished[item] = error
        self._progress.pop(item, None)

    def report(self, item: str, step: int, metrics: dict[str, Any]) -> bool:
        """An item has got to `step`. Returns whether it is to stop."""
        self._progress[item] = {"step": step, **metrics}
        return self._stopped

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self._progress), dict(self._finished))

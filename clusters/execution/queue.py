"""The queue that worker groups take their runs from. Plain Python: Ray makes an actor of it."""

import time
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
    where a worker died, and always when it has more or fewer workers than before or its machine was taken away.
    """

    def __init__(self, items: list[str]) -> None:
        self._waiting = list(items)
        self._held: dict[int, str] = {}
        self._workers: dict[int, int] = {}  # of each group, when it last asked
        self._restarts: dict[str, int] = {}
        self._heard: dict[int, float] = {}  # s: when each group last gave a sign of life, or was asked for
        self._leaving: set[int] = set()  # groups whose machines are taken away
        self._progress: dict[str, dict[str, Any]] = {}
        self._finished: dict[str, str] = {}
        self._stopped = False

    def stop(self) -> None:
        """Hand out nothing more, and tell whoever reports."""
        self._stopped = True

    def asked(self, group: int) -> None:
        """The workers of a group are asked for."""
        self._heard[group] = time.monotonic()

    def waited(self, group: int) -> float:
        """Seconds that the group's workers were waited for, who are there now: since it was asked for or last heard."""
        return time.monotonic() - self._heard[group]

    def leave(self, group: int) -> bool:
        """The group's machine is about to be taken away. Returns whether it is to go on elsewhere."""
        self._leaving.add(group)
        return not self._stopped

    def take(self, group: int, workers: int = 1) -> str | None:
        """The item that group `group` is to work on next, or None when nothing waits or all is to stop."""
        if self._stopped:
            return None
        self.asked(group)
        held = self._held.get(group)
        died = self._workers.get(group) == workers and group not in self._leaving
        self._workers[group] = workers
        self._leaving.discard(group)
        if held is not None:
            self._restarts[held] = self._restarts.get(held, 0) + died
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
        self._heard.update({group: time.monotonic() for group, held in self._held.items() if held == item})
        return self._stopped

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self._progress), dict(self._finished))

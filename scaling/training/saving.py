"""When a training looks up from its steps, saves a checkpoint and stops: pure decisions, the same on every worker.

Workers look up seldom, because to read a loss is to wait for the device. What each of them wants is then averaged over
all workers, together with the losses, so that one exchange serves both and every worker decides alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

SAVE_SECONDS = 15.0  # s between two checkpoints
SAVE_SHARE = 0.05  # of the time, at most: slow checkpoints are made less often
READ_STEPS = 10  # losses are read at every tenth step at most
READ_SECONDS = 1.0  # and as often as that where steps are slow

Stop = bool | Literal["preemption"] | None  # whether to stop, and why if a machine is about to be taken away


@dataclass(frozen=True)
class SaveTimer:
    """When this worker's training was last saved, or began. Times are of `time.monotonic`, in seconds."""

    every: float  # between two checkpoints; 0: at every chance, whatever a checkpoint costs
    saved: float
    cost: float = 0.0  # of the last checkpoint

    def due(self, now: float) -> bool:
        """Whether it is time for a checkpoint: not before the last one's cost is at most SAVE_SHARE of the time."""
        return now - self.saved > max(self.every, self.cost / SAVE_SHARE)

    def after(self, began: float, ended: float) -> "SaveTimer":
        """The timer after a checkpoint that took so long."""
        return replace(self, saved=ended, cost=ended - began if self.every else 0.0)


@dataclass(frozen=True)
class Decision:
    """What all workers decided together when they last read their losses."""

    next_step: int  # read again when so many steps are done
    time: float  # s, `time.monotonic` of this worker when it asked
    save: bool = False
    stop: bool = False
    preempted: bool = False  # it stops because a machine is about to be taken away


def request(timer: SaveTimer, told: Stop, last: Decision, now: float) -> list[float]:
    """What this worker asks for: [to save, to stop, to stop for a preemption, seconds since the last decision].

    Numbers, because the workers' means are taken of them: a mean above 0 says that at least one worker asks.
    """
    return [float(timer.due(now) or bool(told)), float(bool(told)), float(told == "preemption"), now - last.time]


def decide(means: Sequence[float], *, step: int, steps: int, now: float) -> Decision:
    """The decision at `step` by the workers' mean requests, `steps` steps after the last one."""
    save, stop, preempted, seconds = means
    # By the time of the steps since the last reading, which is why the first step is read at once.
    ahead = max(1, min(READ_STEPS, int(READ_SECONDS * steps / max(seconds, 1e-9))))
    return Decision(step + ahead, now, save > 0, stop > 0, preempted > 0)

"""Units of work on Ray: sessions, worker groups, trials.

Names are imported when they are first used. A worker's process imports modules of this package, and so this file, but
it needs neither Tune nor Optuna, which only the driver uses and which take seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clusters.execution.optuna_mirror import check_mirror, mirrored
    from clusters.execution.placement import Placement, describe_slice
    from clusters.execution.queue import Snapshot
    from clusters.execution.ray_session import place, session
    from clusters.execution.ray_train import Watch, train_queue
    from clusters.execution.ray_tune import Done, Follow, run_all, sweep
    from clusters.execution.tracking import prepare_trackers
    from clusters.execution.work import Work

MODULES = {
    "Done": "ray_tune",
    "Follow": "ray_tune",
    "Placement": "placement",
    "Snapshot": "queue",
    "Watch": "ray_train",
    "Work": "work",
    "check_mirror": "optuna_mirror",
    "describe_slice": "placement",
    "mirrored": "optuna_mirror",
    "place": "ray_session",
    "prepare_trackers": "tracking",
    "run_all": "ray_tune",
    "session": "ray_session",
    "sweep": "ray_tune",
    "train_queue": "ray_train",
}

__all__ = [
    "Done",
    "Follow",
    "Placement",
    "Snapshot",
    "Watch",
    "Work",
    "check_mirror",
    "describe_slice",
    "mirrored",
    "place",
    "prepare_trackers",
    "run_all",
    "session",
    "sweep",
    "train_queue",
]


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)

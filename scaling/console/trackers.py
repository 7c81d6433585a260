"""Trackers, which show trainings besides the rows: TensorBoard, Weights & Biases, MLflow. No part of any result.

Rows stay the only record: nothing is read back from a tracker, and one that fails stops no training.
"""

import importlib.util
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling.checks import check

Log = Callable[[int, Mapping[str, float]], None]  # (steps done, metrics)
FLUSH_SECONDS = 10.0  # between two writings of event files to the disk
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}  # flag: the module that it needs


@dataclass(frozen=True)
class Tracking:
    """Trackers that show trainings while they run; none by default."""

    tensorboard: str | None = None
    """Directory for TensorBoard event files, while it trains; one that all machines share."""
    wandb: str | None = None
    """Weights & Biases project to show every training in (pip install wandb)."""
    mlflow: str | None = None
    """MLflow tracking URI to show every training at, an experiment a study (pip install mlflow)."""

    def __post_init__(self) -> None:
        if self.tensorboard is not None:  # a relative directory is the caller's, not that of a worker elsewhere
            object.__setattr__(self, "tensorboard", str(Path(self.tensorboard).expanduser().absolute()))

    def check(self) -> None:
        """Raise ValueError when a package is missing."""
        for flag, module in PACKAGES.items():
            usable = getattr(self, flag) is None or importlib.util.find_spec(module) is not None
            check(usable, f"--{flag} needs a package that is not installed: pip install {module}")


def event_files(directory: Path) -> tuple[Log, Callable[[], None]]:
    """A TensorBoard run in a directory: the function that logs to it, and the one that closes it.

    Both raise OSError when the disk is full. (tensorboardX's own SummaryWriter writes in a thread: when that dies, ten
    points later whoever logs waits for it for ever.)
    """
    from tensorboardX.event_file_writer import EventsWriter  # here, because it loads torch
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    directory.mkdir(parents=True, exist_ok=True)
    writer = EventsWriter(str(directory / "events"), f".{uuid.uuid4().hex[:8]}")
    flushed = time.monotonic()

    def log(step: int, metrics: Mapping[str, float]) -> None:
        nonlocal flushed
        for name, value in metrics.items():
            writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
        if time.monotonic() - flushed > FLUSH_SECONDS:
            writer.flush()
            flushed = time.monotonic()

    return log, writer.close


def scalars(point: Mapping[str, Any]) -> dict[str, float]:
    """The columns of a row that a tracker draws over the steps: learning rate, losses, accuracies; without nulls."""
    names = ("train_loss", "lr", "dev_top1", "fewshot_top1", "dev_loss", "test_top1")
    return {name: float(point[name]) for name in names if point.get(name) is not None}


def run_directory(name: str, unit_id: str) -> str:
    """Directory of one training: its name for people, without path separators, and its unit's id."""
    safe = "".join(letter if letter.isalnum() or letter in "._+-" else "-" for letter in name)
    return f"{safe}-{unit_id}"

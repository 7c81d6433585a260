"""Where trainings are shown besides the rows: TensorBoard, Weights & Biases, MLflow. No part of any result.

Rows stay the truth: nothing is read back from a tracker, and one that fails stops no training.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling.checks import check

Log = Callable[[int, Mapping[str, float]], None]  # (steps done, metrics)
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}  # flag: the module that it needs


@dataclass(frozen=True)
class Tracking:
    """What to show trainings in; None: not there."""

    tensorboard: str | None = None  # directory of event files
    wandb: str | None = None  # project
    mlflow: str | None = None  # tracking URI

    def check(self) -> None:
        """Raise ValueError when a package is missing."""
        for flag, module in PACKAGES.items():
            there = getattr(self, flag) is None or importlib.util.find_spec(module) is not None
            check(there, f"--{flag} needs a package that is not installed: pip install {module}")


def event_files(directory: Path) -> tuple[Log, Callable[[], None]]:
    """A TensorBoard run in a directory: the function that logs to it, and the one that ends it."""
    from tensorboardX import SummaryWriter  # here: it loads torch

    writer = SummaryWriter(str(directory), flush_secs=10)

    def log(step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


def scalars(point: Mapping[str, Any]) -> dict[str, float]:
    """What of a row can be drawn over its steps: the finite and infinite numbers that are there."""
    names = ("train_loss", "lr", "dev_top1", "fewshot_top1", "dev_loss", "test_top1")
    return {name: float(point[name]) for name in names if point.get(name) is not None}


def run_directory(name: str, unit_id: str) -> str:
    """Of one training: the model's name for people, without separators, and the unit's id."""
    safe = "".join(letter if letter.isalnum() or letter in "._+-" else "-" for letter in name)
    return f"{safe}-{unit_id}"

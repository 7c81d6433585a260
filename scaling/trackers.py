"""Which trackers show trainings besides the rows, as a value."""

import importlib.util
from dataclasses import dataclass

from scaling.identity import check

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

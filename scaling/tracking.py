"""Where trainings are shown besides the rows: TensorBoard, Weights & Biases, MLflow. No part of any result.

Rows stay the truth: nothing is read back from a tracker, and one that fails stops no training. This module writes event
files of rows that are there already:

    python -m scaling.tracking results/quickstart --out runs && tensorboard --logdir runs
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from scaling.cli import command_line
from scaling.identity import check
from scaling.storage import Storage
from scaling.trackers import Tracking

Log = Callable[[int, Mapping[str, float]], None]  # (steps done, metrics)


def event_files(directory: Path) -> tuple[Log, Callable[[], None]]:
    """A TensorBoard run in a directory: the function that logs to it, and the one that ends it."""
    from tensorboardX import SummaryWriter  # here: it loads torch

    writer = SummaryWriter(str(directory), flush_secs=10)

    def log(step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


def numbers(point: Mapping[str, Any]) -> dict[str, float]:
    """What of a row can be drawn over its steps: the finite and infinite numbers that are there."""
    names = ("train_loss", "lr", "dev_top1", "fewshot_top1", "dev_loss", "test_top1")
    return {name: float(point[name]) for name in names if point.get(name) is not None}


def run_directory(name: str, unit_id: str) -> str:
    """Of one training: the model's name for people, without separators, and the unit's id."""
    safe = "".join(letter if letter.isalnum() or letter in "._+-" else "-" for letter in name)
    return f"{safe}-{unit_id}"


# --- of rows -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """Write the training curves of a storage as TensorBoard event files."""

    storage: Annotated[str, tyro.conf.Positional]
    """Directory or URI that holds the rows."""
    out: str
    """Directory for the event files, a subdirectory a run."""


def main(options: Options) -> int:
    Tracking(tensorboard=options.out).check()
    place = Storage.of(options.storage)
    check(place.local is None or place.local.is_dir(), f"storage {place.uri} does not exist")
    count = of_rows(place, Path(options.out))
    check(count > 0, f"storage {place.uri} holds no curve rows")
    print(f"{count} runs in {options.out}: tensorboard --logdir {options.out}")
    return 0


def of_rows(storage: Storage, out: Path) -> int:
    """Event files of every run's curve, into directories that are made anew. Returns the number of runs."""
    from shutil import rmtree

    from scaling.results import read

    runs = read(storage, "curve").sort("run_id", "step").partition_by("run_id")
    for curve in runs:
        directory = out / run_directory(curve["name"][0], curve["run_id"][0])
        rmtree(directory, ignore_errors=True)  # else TensorBoard shows both
        log, close = event_files(directory)
        for point in curve.iter_rows(named=True):
            log(point["step"], numbers(point))
        close()
    return len(runs)


if __name__ == "__main__":
    command_line(main, Options)

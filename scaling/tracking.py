"""TensorBoard's event files of rows that are there: `python -m scaling.tracking results/quickstart --out runs`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from scaling.checks import check, check_name, printable
from scaling.console import Tracking, command_line, event_files, run_directory, scalars
from scaling.store import Storage


@dataclass(frozen=True)
class Options:
    """Write the training curves of a storage as TensorBoard event files.

    python -m scaling.tracking results/quickstart --out results/tensorboard
    python -m scaling.tracking s3://bucket/study --out /tmp/tensorboard
    """

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
    print(printable(f"{count} runs in {options.out}: tensorboard --logdir {options.out}"))
    return 0


def of_rows(storage: Storage, out: Path) -> int:
    """Event files of every run's curve, into directories that are made anew. Returns the number of runs."""
    from shutil import rmtree

    from scaling.store import read_table

    runs = read_table(storage, "curve").sort("run_id", "step").partition_by("run_id")
    for curve in runs:
        check_name("run", str(curve["run_id"][0]))  # of a row from anywhere, and about to be removed by its name
    for curve in runs:
        directory = out / run_directory(curve["name"][0], curve["run_id"][0])
        check(not directory.is_symlink(), f"{directory} is a link, and may lead anywhere: remove it")
        rmtree(directory, ignore_errors=True)  # else TensorBoard shows both
        log, close = event_files(directory)
        for point in curve.iter_rows(named=True):
            log(point["step"], scalars(point))
        close()
    return len(runs)


if __name__ == "__main__":
    command_line(main, Options)

"""What it costs that everything is on the disk before anything builds on it: a checkpoint and a row, as ratios.

    python benchmarks/durable_writes.py [FOLDER] [--megabytes 64] [--repeats 15]

Each kind is timed in turn, so that a busy machine slows all alike: as it is; without fsync; and plain, which is the
same bytes written by safetensors or as one file, renamed, with no digest.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Annotated
from unittest.mock import patch

import torch
import tyro
from safetensors.torch import save_file

from scaling.console import command_line
from scaling.store import TABLES, Storage, commit_directory, write_row_file


@dataclass(frozen=True)
class Options:
    """Time checkpoints and rows with and without fsync.

    python benchmarks/durable_writes.py
    python benchmarks/durable_writes.py /data --megabytes 500
    """

    folder: Annotated[str | None, tyro.conf.Positional] = None
    """Where to write, such as a directory of the disk that studies are kept on. Default: a temporary one."""
    megabytes: int = 64
    """Size of the weights; the optimizer has as many."""
    repeats: int = 15
    """Timings of each kind; medians are compared."""


def kinds(megabytes: int, storage: Storage) -> dict[str, Callable[[], object]]:
    """The things that are timed, by name."""
    folder, rows, steps = Path(storage.uri), TABLES["curve"].empty_table(), count()
    tensors = {name: {"x": torch.ones(megabytes * 2**18)} for name in ("model", "optimizer")}

    def fill(folder: Path) -> None:
        for name, values in tensors.items():
            save_file(values, folder / f"{name}.safetensors")

    def save() -> None:
        step = next(steps)
        commit_directory(storage, f"checkpoints/unit/{step}", fill)
        storage.delete(f"checkpoints/unit/{step - 1}")

    def plain_save() -> None:
        draft = folder / "draft"
        draft.mkdir()
        fill(draft)
        shutil.rmtree(folder / "saved", ignore_errors=True)
        draft.rename(folder / "saved")

    def row() -> None:
        write_row_file(storage, "curve", "unit", rows)

    def unflushed(work: Callable[[], object]) -> Callable[[], object]:
        def call() -> None:
            with patch("os.fsync", lambda descriptor: None):
                work()

        return call

    return {
        "save": save,
        "save without fsync": unflushed(save),
        "save plain": plain_save,
        "row": row,
        "row without fsync": unflushed(row),
    }


def main(options: Options) -> int:
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        works = kinds(options.megabytes, Storage.of(folder))
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.repeats):
            for name, work in works.items():
                began = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {
        "save / without fsync": medians["save"] / medians["save without fsync"],
        "save without fsync / plain": medians["save without fsync"] / medians["save plain"],
        "row / without fsync": medians["row"] / medians["row without fsync"],
    }
    print(json.dumps({"milliseconds": {k: 1000 * v for k, v in medians.items()}, "ratios": ratios}, indent=1))
    return 0


if __name__ == "__main__":
    command_line(main, Options)

"""Pre-trains runs on this process's XLA devices: job.py STORAGE SPECS, a JSON list of (spec, step to die at or null).

Its last line of output is a JSON list: for every run the number of programs that XLA had compiled after each step.
"""

import json
import sys
from pathlib import Path

import torch_xla.debug.metrics as metrics

from scaling.pretrain import pretrain
from scaling.specs import Pretrain, from_json
from scaling.storage import Storage
from scaling.training.devices import local_device


class Killed(BaseException):
    """Stands for a kill: no exception that the code may catch."""


def compiled() -> int:
    data = metrics.metric_data("CompileTime")
    return data[0] if data else 0


def train(run: Pretrain, storage: Storage, kill_at: int | None) -> list[int]:
    counts: list[int] = []

    def report(step: int, values: dict) -> None:
        counts.append(compiled())
        if step == kill_at:
            raise Killed

    try:
        pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=0.0)
    except Killed:
        counts.append(-1)
    return counts


if __name__ == "__main__":
    runs = [(from_json(Pretrain, spec), kill_at) for spec, kill_at in json.loads(Path(sys.argv[2]).read_text())]
    print(json.dumps([train(run, Storage(sys.argv[1]), kill_at) for run, kill_at in runs]))

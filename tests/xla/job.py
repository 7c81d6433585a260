"""Pre-trains runs on this process's XLA devices: job.py STORAGE SPECS, a JSON list of (spec, step to die at or null).

Its last line of output is JSON: for every run the number of programs that XLA had compiled after each step, the
logits that the trained weights give on the device for two images, and how a batch is split over the devices.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch_xla
import torch_xla.debug.metrics as metrics

from scaling.runs.pretrain import pretrain
from scaling.specs.identity import from_json
from scaling.specs.pretraining import Pretrain
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.xla import logits


class Killed(BaseException):
    """Stands for a kill: no exception that the code may catch."""


def compiled() -> int:
    data = metrics.metric_data("CompileTime")
    return data[0] if data else 0


def train(run: Pretrain, storage: Storage, kill_at: int | None) -> list[int]:
    counts: list[int] = []

    def report(step: int, values: dict[str, Any]) -> None:
        counts.append(compiled())
        if step == kill_at:
            raise Killed

    with contextlib.suppress(Killed):
        pretrain(run, storage=storage, study="x", device=local_device(), report=report, save_seconds=0.0)
    return counts


if __name__ == "__main__":
    storage = Storage(sys.argv[1])
    runs = [(from_json(Pretrain, spec), kill_at) for spec, kill_at in json.loads(Path(sys.argv[2]).read_text())]
    counts = [train(run, storage, kill_at) for run, kill_at in runs]
    answers = [logits(storage, run, local_device()).tolist() for run, kill_at in runs if kill_at is None]
    split = torch_xla._XLAC._get_xla_sharding_spec(local_device().put(torch.zeros(8, 3)))
    print(json.dumps({"compiled": counts, "logits": answers, "split": split}))

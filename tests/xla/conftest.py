"""The tests of XLA run in an environment of their own (make test-xla); anywhere else they are skipped."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaling.runs.pretrain import pretrain
from scaling.specs.identity import to_json
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.xla import PLAIN, RUNS, Done, Job

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="session")
def _xla() -> None:
    if importlib.util.find_spec("torch_xla") is None:  # not imported: it would settle this process's devices
        pytest.skip("torch_xla is not installed here: make test-xla")


@pytest.fixture(scope="session")
def job(_xla: None) -> Job:
    """Run job.py in a process of its own on so many of XLA's CPU devices."""

    def start(folder: Path, runs: list[tuple[str, int | None]], devices: int) -> Done:
        folder.mkdir(exist_ok=True)
        specs = folder / "specs.json"
        specs.write_text(json.dumps([(to_json(RUNS[name]), kill_at) for name, kill_at in runs]))
        command = [sys.executable, str(Path(__file__).with_name("job.py")), str(folder / "storage"), str(specs)]
        environment = os.environ | {
            "PJRT_DEVICE": "CPU",
            "CPU_NUM_DEVICES": str(devices),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "OMP_NUM_THREADS": "1",
        }
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
        assert ended.returncode == 0, ended.stderr[-4000:]
        return Done(Storage.of(folder / "storage"), **json.loads(ended.stdout.splitlines()[-1]))

    return start


@pytest.fixture(scope="session")
def on_cpu(_xla: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """The runs without dropout, by torch on the CPU."""
    storage = Storage.of(tmp_path_factory.mktemp("cpu") / "storage")
    storage.make()
    for name in (*PLAIN, "sgd"):
        device = local_device(kind="cpu", threads=1)
        pretrain(RUNS[name], storage=storage, study="x", device=device, report=lambda step, values: None)
    return storage


@pytest.fixture(scope="session")
def on_xla(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All runs on one XLA device."""
    return job(tmp_path_factory.mktemp("one") / "job", [(name, None) for name in RUNS], 1)

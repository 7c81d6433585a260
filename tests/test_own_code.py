"""A study of one's own models, in a file outside the repository: planned, run, killed, resumed, changed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from torch.utils.flop_counter import FlopCounterMode

from scaling.store import frames
from scaling.store.storage import Storage
from tests.helpers.drivers import ROOT, raylets_of, start, workers_of
from tests.helpers.own_study import LAYERS, OWN_STUDY

pytestmark = pytest.mark.slow
FRONT_DOOR = [sys.executable, ROOT / "scaling" / "run_study.py"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file, with a module beside it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_layers.py").write_text(LAYERS)
    (folder / "own_study.py").write_text(OWN_STUDY)
    return folder / "own_study.py"


@pytest.fixture(scope="module")
def whole(study: Path) -> Storage:
    """Undisturbed."""
    assert start(study, study.parent / "whole").wait(timeout=1500) == 0
    return Storage.of(study.parent / "whole")


def ended(study: Path, storage: str | Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command: list[Any] = [*FRONT_DOOR, study, "--storage", storage, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=study.parent, timeout=900)


def test_the_plan_has_the_flops_that_torch_counts(study: Path) -> None:
    planned = ended(study, study.parent / "none", "--plan", "--json")
    assert planned.returncode == 0, planned.stderr
    runs = {run["name"]: run for run in json.loads(planned.stdout)["runs"]}
    assert [name for name, run in runs.items() if run["counted"]] == ["ConvNet", "MLP", "Net18"]
    sys.path.insert(0, str(study.parent))
    try:
        import own_study
    finally:
        sys.path.pop(0)
    import torch

    with torch.device("meta"):
        module = own_study.convnet(8, 16, width=8)
    with FlopCounterMode(display=False) as counter:
        module.eval()(torch.empty(1, 3, 16, 16, device="meta"))
    images = runs["ConvNet"]["images"]
    assert runs["ConvNet"]["exaflops"] * 1e18 == pytest.approx(3 * counter.get_total_flops() * images, rel=1e-12)


def test_every_part_of_the_study(whole: Storage) -> None:
    heights = {table: frames.read_table(whole, table).height for table in ("pretrain", "trial", "transfer", "fewshot")}
    assert heights == {"pretrain": 4, "trial": 8, "transfer": 4, "fewshot": 4 * 3}
    families = frames.read_table(whole, "pretrain")["family"]
    assert sorted(families) == ["convnet", "mlp", "net", "vit"]
    report = whole.read("report.html").decode()
    assert all(name in report for name in ("convnet", "mlp", "net"))


def test_kill_9_and_resumed_in_the_same_bits(study: Path, whole: Storage, tmp_path: Path) -> None:
    """The driver, its workers and Ray, while models with batch norm are at work."""
    torn = Storage.of(tmp_path / "torn")
    for _ in range(3):
        driver = start(study, tmp_path / "torn", "0")
        end = time.monotonic() + 300
        while not (workers := workers_of(driver.pid)) or not losing(torn):
            assert driver.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        for pid in (driver.pid, *workers, *raylets_of(driver.pid)):
            os.kill(pid, signal.SIGKILL)
        driver.wait()
    assert start(study, tmp_path / "torn").wait(timeout=1500) == 0
    for table in ("pretrain", "trial", "transfer", "fewshot"):
        one, other = (frames.read_table(place, table).drop("checkpoint", strict=False) for place in (whole, torn))
        assert one.sort(one.columns).equals(other.sort(other.columns)), table


def losing(storage: Storage) -> bool:
    """Whether a kill would cost steps."""
    attempts = frames.read_table(storage, "attempt")
    return not attempts.filter((pl.col("outcome") == "running") & (pl.col("last_step") > 0)).is_empty()


def test_two_workers_pretrain_it(study: Path, tmp_path: Path) -> None:
    done = ended(study, tmp_path, "--workers", "2", "--only", "ConvNet")
    assert done.returncode == 0, done.stderr
    assert set(frames.read_table(Storage.of(tmp_path), "attempt").filter(kind="pretrain")["workers"]) == {2}


def test_changed_code_is_said_before_anything_starts(study: Path, whole: Storage, tmp_path: Path) -> None:
    text = OWN_STUDY.replace("nn.ReLU()", "nn.SiLU()")
    assert text != OWN_STUDY
    (tmp_path / "own_layers.py").write_text(LAYERS)
    changed = tmp_path / "own_study.py"
    changed.write_text(OWN_STUDY.replace("a small one", "a small net"))  # a docstring
    assert ended(changed, whole.uri).returncode == 0
    changed.write_text(text)
    told = ended(changed, whole.uri)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "error: the code of own_study:convnet has changed since" in told.stderr
    assert ended(changed, whole.uri, "--same-code").returncode == 0
    versioned = text.replace('family="convnet"', 'family="convnet", version="silu"')
    changed.write_text(versioned)
    planned = ended(changed, whole.uri, "--plan")
    assert planned.returncode == 0, planned.stderr

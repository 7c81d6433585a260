"""A grid that is killed ten times, one kill after the other, ends in the undisturbed one's digits."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scaling.data.catalog import ifs
from scaling.data.resolve import resolve
from scaling.runs.pretrain import pretrain
from scaling.specs.execution import Execution
from scaling.specs.pretraining import Pretrain
from scaling.specs.zoo import ZOO
from scaling.store import frames, results
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from search_spaces.recipes import RECIPE

ROOT = Path(__file__).parent.parent
KILLS = 10
RATES = ("0.03", "0.1", "0.2", "0.4")
UNITS = len(RATES) + 3  # and three final runs
KEPT = {"trial", "transfer", "attempt", "checkpoints", "data"}  # rows, checkpoints and data; all else is a cache
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the quickstart's models after a short pre-training."""
    name = "R+ViT-micro-L/4"
    data = resolve(ifs(classes=4, images=50, size=16))
    run = Pretrain(name, ZOO[name], data, 1e-3, 1, RECIPE, resolution=16)
    folder = tmp_path_factory.mktemp("upstream")
    pretrain(
        run,
        storage=Storage.of(folder),
        study="grid",
        device=local_device(Execution("fp32"), 1),
        report=lambda step, metrics: None,
    )
    return folder / results.checkpoint_name(run.id)


def start(checkpoint: Path, storage: Path) -> "subprocess.Popen[str]":
    grid = ["--task", "digits", "--base-lrs", *RATES, "--steps", "100", "--seeds", "0", "1", "2", "--json"]
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "scaling.finetune_grid",
        "--checkpoint",
        checkpoint,
        "--storage",
        storage,
        *grid,
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(checkpoint: Path, storage: Path) -> dict[str, Any]:
    driver = start(checkpoint, storage)
    told, error = driver.communicate(timeout=1000)
    assert driver.returncode == 0, error
    summary: dict[str, Any] = json.loads(told)
    return summary


def done(storage: Path) -> int:
    """Units that have their rows."""
    return sum(1 for table in ("trial", "transfer") for _ in storage.glob(f"{table}/*.parquet"))


def attempts(storage: Path) -> int:
    return sum(1 for _ in storage.glob("attempt/*.parquet"))


def forget(storage: Path) -> None:
    """Delete what is neither a row, nor a checkpoint, nor data."""
    for place in storage.iterdir():
        if place.name not in KEPT:
            shutil.rmtree(place) if place.is_dir() else place.unlink()


def test_ten_kills(checkpoint: Path, tmp_path: Path) -> None:
    expected, torn, rng = finish(checkpoint, tmp_path / "whole"), tmp_path / "torn", random.Random(4)
    for kill in range(KILLS):
        units, before = kill * (UNITS - 1) // KILLS, attempts(torn)  # spread over the grid's progress
        driver = start(checkpoint, torn)
        while done(torn) < units or attempts(torn) == before:  # always in some unit of this start
            assert driver.poll() is None, f"the grid ended before its moment: {driver.communicate()}"
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1.5))
        driver.kill()
        driver.communicate()
        if kill % 3 == 1:
            forget(torn)
    assert finish(checkpoint, torn) == expected
    check_ledger(torn)
    forget(torn)
    before = attempts(torn)
    assert finish(checkpoint, torn) == expected
    assert attempts(torn) == before


def check_ledger(torn: Path) -> None:
    """Every unit is done, once, and not begun again after that; the kills did hit units."""
    ledger = frames.read_table(Storage.of(torn), "attempt")
    ends = ledger.filter(outcome="done")
    assert ends.height == UNITS
    assert ends["unit_id"].is_unique().all()
    later = ledger.join(ends, on="unit_id", suffix="_done").filter(pl.col("started") > pl.col("started_done"))
    assert later.is_empty()
    assert set(ledger["outcome"]) == {"done", "running"}
    assert ledger.filter(outcome="running").height >= KILLS // 2


def test_ctrl_c_in_the_sweep_ends_it(checkpoint: Path, tmp_path: Path) -> None:
    """Not as a finished sweep, after which the next stage would begin."""
    driver = start(checkpoint, tmp_path)
    while not attempts(tmp_path):
        assert driver.poll() is None
        time.sleep(0.02)
    driver.send_signal(signal.SIGINT)
    told, error = driver.communicate(timeout=60)
    assert driver.returncode == 130, (told, error)
    assert "the same command goes on" in error
    assert Storage.of(tmp_path).list(".lease") == []
    assert not list(tmp_path.glob("transfer/*"))

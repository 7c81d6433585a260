"""SIGSTOP to workers of a study: said, recorded, begun anew, and the rows are those of an undisturbed one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from scaling.store import frames
from scaling.store.storage import Storage
from tests.helpers.drivers import Driver, start, workers_of

STUDY = """
from scaling.data.catalog import ifs
from scaling.specs import Pretrain, Recipe, Study, Task, ViT
RECIPE = Recipe(batch_size=16, warmup_steps=5, loss="softmax", head_bias=0.0)
TUNING = Recipe(optimizer="sgd", batch_size=16, warmup_steps=5, schedule="cosine", weight_decay=0.0, loss="softmax")
DATA = ifs(classes=8, images=60, size=16)
STUDY = Study(
    "hangs",
    (Pretrain("a", ViT(4, 32, 2, 64, 2), DATA, 1e-3, 40, RECIPE, resolution=16, dev_fraction=0.1),),
    (Task("t", DATA, (0.01, 0.03), 1500, TUNING, dev_fraction=0.2, resolution=16),),
    seeds=(0,),
)
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Study file and finished storage."""
    folder = tmp_path_factory.mktemp("hangs")
    study = folder / "hangs.py"
    study.write_text(STUDY)
    assert start(study, folder / "whole").wait(timeout=600) == 0
    return study, folder / "whole"


def ledger(storage: Path, kind: str) -> pl.DataFrame:
    return frames.read_table(Storage.of(storage), "attempt").filter(kind=kind)


def stop_one(driver: Driver, storage: Path, kind: str, title: str) -> None:
    """SIGSTOP to one process of the unit, in the middle of its steps."""
    while ledger(storage, kind).filter(pl.col("last_step") > 20).is_empty():
        assert driver.poll() is None, "the study ended before there was a worker to stop"
        time.sleep(0.1)
    os.kill(workers_of(driver.pid, (title,))[-1], signal.SIGSTOP)


@pytest.mark.parametrize(
    ("kind", "title", "options"),
    [
        ("pretrain", "ray::RayTrainWorker", ("--workers", "2")),
        ("pretrain", "ray::RayTrainWorker", ()),
        ("trial", "ray::ImplicitFunc", ()),
        ("trial", "ray::RayTrainWorker", ("--trial-workers", "2")),
        ("transfer", "ray::do_alone", ()),
    ],
)
def test_a_stopped_worker(
    undisturbed: tuple[Path, Path], tmp_path: Path, kind: str, title: str, options: tuple[str, ...]
) -> None:
    study, whole = undisturbed
    driver = start(study, tmp_path, "0.3", subprocess.PIPE, "--hang-seconds", "3", *options)
    stop_one(driver, tmp_path, kind, title)
    _, err = driver.communicate(timeout=300)
    assert driver.returncode == 0, err
    assert err.count(b"no step for") == 1
    assert b"begin anew from the last checkpoint" in err
    attempts = ledger(tmp_path, kind)
    (killed,) = attempts.filter(pl.col("outcome") != "done").rows(named=True)
    (done,) = attempts.filter(outcome="done", unit_id=killed["unit_id"]).rows(named=True)
    assert killed["outcome"] == "killed"
    assert killed["reason"].startswith("hung: no step for")
    assert done["first_step"] == killed["committed_step"]  # of a trial it may be 0: it is saved every 15 s
    for table in ("pretrain", "trial", "transfer"):
        counts = [frames.read_table(Storage.of(place), table) for place in (whole, tmp_path)]
        assert counts[0].height == counts[1].height
        if not options:  # two workers add up their gradients in another order
            assert counts[0].sort("spec").equals(counts[1].sort("spec")), table

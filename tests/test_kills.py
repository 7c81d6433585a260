"""kill -9 of the driver and of workers at random moments: a further run completes the study, in the same bits."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from scaling.store import frames
from scaling.store.storage import Storage
from tests.helpers.drivers import STUDY, Driver, start, workers_of

MOMENTS = 5
UNITS = 15  # 3 runs, 6 trials, 6 finals: the moments are among these; 3 few-shot probes follow
RESULTS = ("pretrain", "trial", "transfer")
pytestmark = pytest.mark.slow


def finish(study: Path, storage: Path) -> None:
    assert start(study, storage).wait(timeout=3000) == 0


def rows(place: Path) -> dict[str, pl.DataFrame]:
    """Everything that must be the same, whatever happened on the way."""
    storage = Storage.of(place)
    tables = {
        table: frames.read_table(storage, table) for table in ("pretrain", "curve", "trial", "transfer", "fewshot")
    }
    return {table: frame.sort(frame.columns) for table, frame in tables.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Study file and finished storage."""
    folder = tmp_path_factory.mktemp("kills")
    study = folder / "kills.py"
    study.write_text(STUDY)
    finish(study, folder / "whole")
    return study, folder / "whole"


def check(torn: Path, whole: Path) -> None:
    found, expected = rows(torn), rows(whole)
    for table, frame in expected.items():
        assert found[table].equals(frame), table
    attempts = frames.read_table(Storage.of(torn), "attempt")
    parts = pl.col("seconds_training") + pl.col("seconds_evaluating") + pl.col("seconds_waiting")
    assert attempts.filter(parts > pl.col("seconds_total") + 0.01).is_empty()
    done = attempts.filter(outcome="done")
    assert done["unit_id"].is_unique().all()
    # committed steps follow on each other: none is missing, none is counted twice
    for unit_id, last in done.filter(pl.col("last_step") > 0).select("unit_id", "last_step").rows():
        tries = attempts.filter(unit_id=unit_id).sort("started")
        assert (tries["committed_step"] - tries["first_step"]).sum() == last


def wait(driver: Driver, storage: Path, moment: int) -> None:
    """Until the study is somewhere in the given fifth of its units, and a little longer."""
    rng = random.Random(moment)
    units = moment * UNITS // MOMENTS + rng.randrange(UNITS // MOMENTS)
    while sum(1 for table in RESULTS for _ in storage.glob(f"{table}/*.parquet")) < units:
        assert driver.poll() is None, "the study ended before its moment"
        time.sleep(0.05)
    time.sleep(rng.uniform(0, 1) if units else rng.uniform(5, 15))  # the first seconds are Ray's start


def running(driver: Driver, storage: Path, kind: str) -> pl.DataFrame:
    """The attempts that run, a moment later."""
    assert driver.poll() is None, "the study ended before its moment"
    time.sleep(0.05)
    return frames.read_table(Storage.of(storage), "attempt").filter(kind=kind, outcome="running")


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_driver(undisturbed: tuple[Path, Path], tmp_path: Path, moment: int) -> None:
    study, whole = undisturbed
    driver = start(study, tmp_path)
    wait(driver, tmp_path, moment)
    driver.kill()
    driver.wait()
    finish(study, tmp_path)
    check(tmp_path, whole)


@pytest.mark.parametrize("kind", ["pretrain", "trial", "transfer"])
def test_a_driver_that_is_told_to_end(undisturbed: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    """SIGTERM: within a grace of 20 s what trains is in a checkpoint, at its last step."""
    study, whole = undisturbed
    driver = start(study, tmp_path, save_seconds="1000", log=subprocess.PIPE)
    while running(driver, tmp_path, kind).is_empty():
        pass
    driver.terminate()
    out, err = driver.communicate(timeout=20)
    assert driver.returncode == 130
    assert b"Stopped. What is done stays done" in err
    assert b"failed" not in out
    ledger = frames.read_table(Storage.of(tmp_path), "attempt").filter(pl.col("outcome") != "done")
    assert set(ledger["outcome"]) == {"interrupted"}
    assert (ledger["last_step"] > 0).all()
    assert ledger["committed_step"].equals(ledger["last_step"])
    finish(study, tmp_path)
    check(tmp_path, whole)
    again = frames.read_table(Storage.of(tmp_path), "attempt").filter(
        pl.col("unit_id").is_in(ledger["unit_id"].implode())
    )
    assert again.filter(outcome="done").sort("unit_id")["first_step"].equals(ledger.sort("unit_id")["last_step"])


def test_a_driver_that_is_told_twice(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    """It waits for no checkpoint then, and yet says how it ended."""
    study, whole = undisturbed
    driver = start(study, tmp_path)
    while running(driver, tmp_path, "pretrain").is_empty():
        pass
    driver.terminate()
    time.sleep(0.2)
    driver.terminate()
    assert driver.wait(timeout=20) == 130
    finish(study, tmp_path)
    check(tmp_path, whole)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_worker(undisturbed: tuple[Path, Path], tmp_path: Path, moment: int) -> None:
    """Ray may start another worker itself; what it does not mend, a further run does."""
    study, whole = undisturbed
    driver = start(study, tmp_path)
    wait(driver, tmp_path, moment)
    while not (found := workers_of(driver.pid)):
        assert driver.poll() is None, "the study ended before there was a worker to kill"
        time.sleep(0.1)
    os.kill(random.Random(moment).choice(found), signal.SIGKILL)
    driver.wait(timeout=3000)
    finish(study, tmp_path)
    check(tmp_path, whole)


def test_a_trial_whose_worker_dies_is_tried_again(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    """By the same driver, which has no failure to tell of."""
    study, whole = undisturbed
    driver = start(study, tmp_path)
    while (trials := running(driver, tmp_path, "trial")).is_empty():
        pass
    for worker in workers_of(driver.pid):
        os.kill(worker, signal.SIGKILL)
    assert driver.wait(timeout=3000) == 0
    check(tmp_path, whole)
    tries = frames.read_table(Storage.of(tmp_path), "attempt").filter(unit_id=trials["unit_id"][0]).sort("started")
    assert tries["outcome"].to_list()[-1] == "done"
    assert tries["start_reason"].to_list() == ["first"] + ["failure"] * (tries.height - 1)

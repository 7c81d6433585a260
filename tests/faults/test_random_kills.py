"""kill -9 at random moments, again and again, until the work is done: as if nothing had happened, and all accounted."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from scaling.specs.pretraining import Dataset
from scaling.store.results import finished_ids, read_rows
from scaling.store.storage import Storage
from tests.faults import crashes
from tests.faults.campaign_work import Job, drive, jobs, made_data
from tests.faults.outcome import results, wrong


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork has no other threads
    yield made_data(tmp_path_factory.mktemp("data"))
    torch.set_num_threads(threads)


def whole(job: Job, folder: Path) -> tuple[Path, dict[str, Any], float]:
    """The storage before a job, what an undisturbed run of it leaves, and how many seconds that takes."""
    before, place = folder / "before", folder / "whole"
    drive(before, job.before)
    shutil.copytree(before, place)
    drive(place, job.works)  # here first: what it imports is there in every fork
    shutil.rmtree(place)
    shutil.copytree(before, place)
    end = crashes.wait(crashes.start(partial(drive, place, job.works)))
    assert end.code == 0
    return before, results(place), end.seconds


def killed_until_done(job: Job, place: Path, rng: random.Random, seconds: float, kills: int) -> tuple[int, float]:
    """How many of the kills there were until the work was done, and the seconds of all processes."""
    done, lived = 0, 0.0
    while done < kills:
        child = crashes.start(partial(drive, place, job.works))
        time.sleep(rng.uniform(0, seconds))
        os.kill(child[0], signal.SIGKILL)
        end = crashes.wait(child)
        lived += end.seconds
        if not end.killed:
            return done, lived
        done += 1
    end = crashes.wait(crashes.start(partial(drive, place, job.works)))
    assert end.code == 0, end
    return done, lived + end.seconds


def accounted(place: Path) -> float:
    """Seconds of all attempts, with what was occupied before they began."""
    storage = Storage.of(place)
    rows = [row for name in finished_ids(storage, "attempt") for row in read_rows(storage, "attempt", name)]
    return float(sum(row["seconds_total"] for row in rows))


@pytest.mark.parametrize(
    "kills", [pytest.param(12, marks=pytest.mark.faults), pytest.param(1500, marks=pytest.mark.faults)]
)
def test_killed_again_and_again(data: Dataset, tmp_path: Path, kills: int, record_property: Any) -> None:
    rng, complaints, count = random.Random(kills), Counter[str](), 0
    lived = account = 0.0
    kinds = [(job, *whole(job, tmp_path / job.name)) for job in jobs(data)]
    while count < kills:
        job, before, expected, seconds = kinds[count % len(kinds)]
        place = tmp_path / "storage"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(before, place)
        already = accounted(place)
        done, process_seconds = killed_until_done(job, place, rng, seconds, min(8, kills - count))
        count, lived = count + done, lived + process_seconds
        account += accounted(place) - already
        complaints.update(f"{job.name}: {line}" for line in wrong(place, expected))
    share = account / lived
    record_property(
        "campaign", f"random kills: {count}, {sum(complaints.values())} complaints; account {share:.3f} of the seconds"
    )
    assert not complaints

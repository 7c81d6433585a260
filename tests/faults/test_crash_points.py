"""A crash at every file operation: the same command goes on, and nothing is lost, doubled or left behind."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults import crashes
from tests.faults.campaign_work import Job, drive, jobs, made_data
from tests.faults.outcome import results, wrong

SHORT = 23  # `make test` takes every so manieth point
JOBS = ("pre-training", "early stopping", "masked", "fine-tuning", "rungs", "few-shot")


@dataclass(frozen=True)
class Bench:
    """A job, the storage before it, and what an undisturbed run of it leaves."""

    job: Job
    before: Path
    whole: dict[str, Any]
    operations: tuple[str, ...]

    def again(self, place: Path) -> None:
        """The storage as it is before the job."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.before, place)


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    folder, threads = tmp_path_factory.mktemp("crashes"), torch.get_num_threads()
    torch.set_num_threads(1)  # a fork has no other threads
    yield {job.name: _bench(job, folder / job.name) for job in jobs(made_data(folder / "data"))}
    torch.set_num_threads(threads)


def _bench(job: Job, folder: Path) -> Bench:
    before, place = folder / "before", folder / "whole"
    drive(before, job.before)
    shutil.copytree(before, place)
    drive(place, job.works)  # here first: what it imports is there in every fork
    shutil.rmtree(place)
    shutil.copytree(before, place)
    end = crashes.run(partial(drive, place, job.works), place)
    assert end.code == 0
    whole = results(place)
    assert wrong(place, whole) == []
    return Bench(job, before, whole, end.operations)


@pytest.mark.parametrize(
    "every", [pytest.param(SHORT, marks=pytest.mark.faults), pytest.param(1, marks=pytest.mark.faults)]
)
@pytest.mark.parametrize("name", JOBS)
def test_every_file_operation_may_be_the_last(
    benches: dict[str, Bench], name: str, every: int, tmp_path: Path, record_property: Any
) -> None:
    bench, place, complaints = benches[name], tmp_path / "storage", Counter[str]()
    points = crashes.points(bench.operations)[::every]
    for point in points:
        bench.again(place)
        work = partial(drive, place, bench.job.works)
        crash = crashes.run(work, place, point)
        assert crash.killed, f"{point} of {bench.operations[point.operation]} was not reached"
        resumed = crashes.run(work, place)
        found = wrong(place, bench.whole) if resumed.code == 0 else [f"the next run ended with {resumed.code}"]
        for line in found:
            complaints[f"{point.moment} {bench.operations[point.operation]}: {line}"] += 1
    record_property("campaign", f"crash points of {name}: {len(points)}, {sum(complaints.values())} complaints")
    assert not complaints

"""A job with the storage before it and what an undisturbed run leaves: what each part of the campaign starts from."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import crashes
from tests.faults.campaign_work import Job, command, drive
from tests.faults.outcome import results, wrong


@dataclass(frozen=True)
class Bench:
    """A job, the storage before it, and an undisturbed run of it."""

    job: Job
    before: Path
    whole: dict[str, Any]  # rows and digests of weights
    operations: tuple[str, ...]  # file operations, by name
    seconds: float

    def again(self, place: Path) -> None:
        """The storage as it is before the job."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.before, place)

    def run(self, place: Path, errors: Path | None = None, **how: Any) -> crashes.End:
        """The job in a fork, as a command; `how` goes to `crashes.run`."""
        return crashes.run(partial(command, place, self.job.works, errors), place, **how)

    def start(self, place: Path, errors: Path | None = None) -> tuple[int, float]:
        """The job in a fork that nothing watches."""
        return crashes.start(partial(command, place, self.job.works, errors))

    def wrong(self, place: Path) -> list[str]:
        """What is not as after the undisturbed run."""
        return wrong(place, self.whole)


def bench(job: Job, folder: Path) -> Bench:
    """Do a job twice: here, so that what it imports is there in every fork, and in a fork."""
    before, place = folder / "before", folder / "whole"
    drive(before, job.before)
    shutil.copytree(before, place)
    drive(place, job.works)
    shutil.rmtree(place)
    shutil.copytree(before, place)
    end = crashes.run(partial(command, place, job.works), place)
    assert end.code == 0
    whole = results(place)
    assert wrong(place, whole) == []
    return Bench(job, before, whole, end.operations, end.seconds)

"""A job with the storage before it and what an undisturbed run leaves: what each part of the campaign starts from."""

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from scaling.store.storage import Storage
from tests.faults import crashes
from tests.faults.campaign_work import Job, command
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

    def start(self, place: Path, errors: Path | None = None) -> crashes.Child:
        """The job in a fork that nothing watches."""
        return crashes.start(command, place, self.job.works, errors)

    def wrong(self, place: Path) -> list[str]:
        """What is not as after the undisturbed run."""
        return wrong(Storage.of(place), self.whole)


def bench(job: Job, folder: Path) -> Bench:
    """Do a job undisturbed."""
    before, place = folder / "before", folder / "whole"
    for where, works in ((before, job.before), (place, (*job.before, *job.works))):
        assert crashes.wait(crashes.start(command, where, works)).code == 0
    whole = results(Storage.of(place))
    assert wrong(Storage.of(place), whole) == []
    undisturbed = Bench(job, before, whole, (), 0.0)
    undisturbed.again(place)
    end = undisturbed.run(place)
    assert end.code == 0
    return replace(undisturbed, operations=end.operations, seconds=end.seconds)

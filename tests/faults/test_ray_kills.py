"""kill -9 of drivers, workers and raylets of a study on Ray, at random moments, until it is done."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scaling.store.storage import Storage
from tests.faults.outcome import results, wrong
from tests.helpers.drivers import STUDY, raylets_of, start, workers_of

KINDS = ("driver", "worker", "worker", "raylet")


def victims(driver: int, kind: str) -> list[int]:
    """Processes of a kind that are alive under a driver."""
    match kind:
        case "raylet":
            return raylets_of(driver)
        case "worker":
            return workers_of(driver)
    return [driver]


def killed_until_done(study: Path, place: Path, rng: random.Random, most: int) -> Counter[str]:
    """The kills of each kind that a study took until it was done."""
    kills = Counter[str]()
    while True:
        driver = start(study, place)
        while driver.poll() is None:
            time.sleep(rng.uniform(0.5, 12))
            kind = rng.choice(KINDS)
            found = victims(driver.pid, kind)
            if found and kills.total() < most and driver.poll() is None:
                os.kill(rng.choice(found), signal.SIGKILL)
                kills[kind] += 1
        if driver.wait() == 0:
            assert start(study, place).wait(timeout=600) == 0  # nothing to do but to close accounts
            return kills


@pytest.mark.faults
@pytest.mark.parametrize("count", [200])
def test_killed_on_ray(tmp_path: Path, count: int, record_property: Any) -> None:
    rng, complaints, kills, studies = random.Random(count), Counter[str](), Counter[str](), 0
    study = tmp_path / "kills.py"
    study.write_text(STUDY)
    assert start(study, tmp_path / "whole").wait(timeout=600) == 0
    whole = results(Storage.of(tmp_path / "whole"))
    while kills.total() < count:
        place = tmp_path / f"storage-{studies}"
        kills += killed_until_done(study, place, rng, min(20, count - kills.total()))
        complaints.update(wrong(Storage.of(place), whole))
        studies += 1
    told = ", ".join(f"{number} of {kind}s" for kind, number in sorted(kills.items()))
    record_property("campaign", f"kills on Ray: {told}; {studies} studies, {complaints.total()} complaints")
    assert not complaints

"""Two drivers and one storage: a stopped one is taken over and ends, of two that start at once one works."""

import random
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults import crashes
from tests.faults.bench import Bench
from tests.faults.campaign_work import command

ENDS_WITHIN = 5.0  # s after it was woken
BEATS = {"beat_seconds": 0.05, "stale_seconds": 0.5}


def taken_over(bench: Bench, place: Path, rng: random.Random) -> list[str]:
    """Stop a driver somewhere in its work, let another one take the storage over and end, wake the first."""
    errors = place.with_name("errors")
    errors.unlink(missing_ok=True)
    work = partial(command, place, bench.job.works, errors, **BEATS)
    first = crashes.start(work)
    time.sleep(rng.uniform(0, bench.seconds))
    first.send(signal.SIGSTOP)
    time.sleep(BEATS["stale_seconds"] + 0.3)
    second = crashes.start(work)
    early = rng.random() < 0.5  # it wakes while the second one works
    if early:
        time.sleep(rng.uniform(0, bench.seconds))
    else:
        end = crashes.wait(second)
    first.send(signal.SIGCONT)
    woken = time.monotonic()
    code = crashes.wait(first).code
    complaints = [f"the first driver ended with {code}"] if code not in (0, 2) else []
    if time.monotonic() - woken > ENDS_WITHIN:
        complaints.append("the first driver went on")
    if early:
        end = crashes.wait(second)
    if end.code not in (0, 2):
        complaints.append(f"the second driver ended with {end.code}")
    # Of the two at least one has worked to the end, or the next one does.
    last = crashes.wait(crashes.start(work))
    complaints += [f"the last driver ended with {last.code}"] if last.code else bench.wrong(place)
    if "Traceback" in errors.read_text():
        complaints.append(f"a traceback: {errors.read_text().splitlines()[-1]}")
    return complaints


def both_at_once(bench: Bench, place: Path) -> list[str]:
    """Two drivers start at the same time."""
    errors = place.with_name("errors")
    errors.unlink(missing_ok=True)
    work = partial(command, place, bench.job.works, errors, **BEATS)
    ends = [crashes.wait(child) for child in (crashes.start(work), crashes.start(work))]
    codes = sorted(end.code for end in ends)
    complaints = [] if codes in ([0, 0], [0, 2]) else [f"they ended with {codes}: {errors.read_text()}"]
    return complaints + bench.wrong(place)


@pytest.mark.parametrize("count", [2, pytest.param(50, marks=pytest.mark.faults)])
@pytest.mark.parametrize("how", ["taken over", "both at once"])
def test_one_driver_at_a_time(
    benches: dict[str, Bench], tmp_path: Path, how: str, count: int, record_property: Any
) -> None:
    rng, complaints, place = random.Random(count), Counter[str](), tmp_path / "storage"
    for _ in range(count):
        bench = rng.choice(list(benches.values()))
        bench.again(place)
        found = taken_over(bench, place, rng) if how == "taken over" else both_at_once(bench, place)
        complaints.update(f"{bench.job.name}: {line}" for line in found)
    record_property("campaign", f"drivers, {how}: {count}, {complaints.total()} complaints")
    assert not complaints

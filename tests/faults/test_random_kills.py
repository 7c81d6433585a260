"""kill -9 at random moments, again and again, until the work is done: as if nothing had happened, and all accounted."""

import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scaling.store.results import finished_ids, read_rows
from scaling.store.storage import Storage
from tests.faults import crashes
from tests.faults.bench import Bench

IN_A_ROW = 8  # kills, at most, before a run is left to end


def killed_until_done(bench: Bench, place: Path, rng: random.Random, kills: int) -> tuple[int, float]:
    """How many of the kills there were until the work was done, and the seconds of all processes."""
    done, lived = 0, 0.0
    while done < kills:
        child = bench.start(place)
        time.sleep(rng.uniform(0, bench.seconds))
        child.send(signal.SIGKILL)
        end = crashes.wait(child)
        lived += end.seconds
        if not end.killed:
            break
        done += 1
    end = bench.run(place)
    assert end.code == 0
    return done, lived + end.seconds


def accounted(place: Path) -> float:
    """Seconds of all attempts, with what was occupied before they began."""
    storage = Storage.of(place)
    rows = [row for name in finished_ids(storage, "attempt") for row in read_rows(storage, "attempt", name)]
    return float(sum(row["seconds_starting"] + row["seconds_total"] for row in rows))


@pytest.mark.parametrize("kills", [6, pytest.param(1500, marks=pytest.mark.faults)])
def test_killed_again_and_again(benches: dict[str, Bench], tmp_path: Path, kills: int, record_property: Any) -> None:
    rng, complaints, count = random.Random(kills), Counter[str](), 0
    lived = account = 0.0
    place = tmp_path / "storage"
    while count < kills:
        bench = rng.choice(list(benches.values()))
        bench.again(place)
        already = accounted(place)
        done, seconds = killed_until_done(bench, place, rng, min(IN_A_ROW, kills - count))
        count, lived = count + done, lived + seconds
        account += accounted(place) - already
        complaints.update(f"{bench.job.name}: {line}" for line in bench.wrong(place))
    record_property(
        "campaign",
        f"random kills: {count}, {sum(complaints.values())} complaints; "
        f"the account has {account / lived:.3f} of the processes' seconds",
    )
    assert not complaints

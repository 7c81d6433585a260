"""A study on an object store that is busy, cuts connections, loses answers or refuses: nothing is lost or doubled."""

import os
import random
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scaling.store.storage import Storage
from tests.faults.bench import Bench
from tests.faults.outcome import wrong
from tests.helpers.faulty_server import FaultyServer, Trouble

ROOT = Path(__file__).parents[2]
SHARE = 0.05  # of the requests
TROUBLES: tuple[Trouble, ...] = ("busy", "cut", "lost answer", "forbidden")


def started(uri: str, bench: Bench) -> "subprocess.CompletedProcess[str]":
    data = bench.job.data
    words = [sys.executable, "-m", "tests.faults.one_job", uri, bench.job.name, str(data.train), str(data.test)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def spoilt(bench: Bench, server: str, trouble: Trouble, seed: int) -> tuple[list[str], Counter[str]]:
    """What is wrong after a job on a store with this trouble, and once more without it; the requests by their fate."""
    folder = f"s3://bucket/{uuid.uuid4().hex}?scheme=http&region=us-east-1&endpoint_override="
    with FaultyServer(server, trouble, SHARE, seed) as faulty:
        end = started(folder + faulty.address, bench)
    lines = [line for line in end.stderr.splitlines() if line.startswith(("error", "Traceback"))]
    complaints = [f"{trouble}: a traceback" for line in lines if line.startswith("Traceback")]
    if end.returncode not in ((0, 2) if trouble == "forbidden" else (0,)):
        complaints.append(f"{trouble}: ended with {end.returncode}: {lines[-1:]}")
    place = folder + server
    again = started(place, bench)
    if again.returncode:
        return [*complaints, f"{trouble}: the next run ended with {again.returncode}"], faulty.counts
    return complaints + wrong(Storage.of(place), bench.whole), faulty.counts


@pytest.mark.faults  # a run takes 20 s, most of it the driver's patience with the store
@pytest.mark.parametrize("count", [10])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_bad_day(
    benches: dict[str, Bench], s3_server: str, trouble: Trouble, count: int, record_property: Any
) -> None:
    rng, complaints, requests = random.Random(count), Counter[str](), Counter[str]()
    for seed in range(count):
        bench = rng.choice(list(benches.values()))
        found, counts = spoilt(bench, s3_server, trouble, seed)
        complaints.update(found)
        requests += counts
    told = f"{requests[trouble]} of {requests.total()} requests"
    record_property("campaign", f"object store, {trouble}: {count} runs, {told}, {complaints.total()} complaints")
    assert not complaints

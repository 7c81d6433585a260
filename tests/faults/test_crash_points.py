"""A crash at every file operation: the same command goes on, and nothing is lost, doubled or left behind."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults import crashes
from tests.faults.bench import Bench

SHORT = 97  # `make test` takes one of so many points
NAMES = ("pre-training", "early stopping", "masked", "fine-tuning", "rungs", "few-shot")


@pytest.mark.parametrize(
    ("every", "of"),
    [
        (SHORT, "benches"),
        pytest.param(1, "benches", marks=pytest.mark.faults),
        pytest.param(1, "other_benches", marks=pytest.mark.faults),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_every_file_operation_may_be_the_last(
    name: str, every: int, of: str, request: pytest.FixtureRequest, tmp_path: Path, record_property: Any
) -> None:
    bench: Bench = request.getfixturevalue(of)[name]
    place, complaints, reached = tmp_path / "storage", Counter[str](), 0
    points = crashes.points(bench.operations)[::every]
    assert points
    for point in points:
        bench.again(place)
        crash = bench.run(place, point=point)
        assert crash.killed or crash.code == 0, f"{point} of {bench.operations[point.operation]}: {crash.code}"
        reached += crash.killed  # not all: heartbeats are operations too, and how many there are is a matter of time
        resumed = bench.run(place)
        found = bench.wrong(place) if resumed.code == 0 else [f"the next run ended with {resumed.code}"]
        for line in found:
            complaints[f"{point.moment} {bench.operations[point.operation]}: {line}"] += 1
    record_property("campaign", f"crash points of {name}: {reached}, {sum(complaints.values())} complaints")
    assert not complaints
    assert reached > 0.9 * len(points) - 1

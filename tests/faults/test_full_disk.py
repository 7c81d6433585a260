"""A disk that is full from some moment on: one line, no draft, and the same command goes on when there is room."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scaling.store.storage import DRAFTS
from tests.faults.bench import Bench


@pytest.mark.parametrize("moments", [1, pytest.param(6, marks=pytest.mark.faults)])
def test_a_full_disk(benches: dict[str, Bench], tmp_path: Path, moments: int, record_property: Any) -> None:
    place, errors, complaints = tmp_path / "storage", tmp_path / "errors", Counter[str]()
    for name, bench in benches.items():
        for moment in range(moments):
            operation = (moment + 1) * len(bench.operations) // (moments + 1)
            bench.again(place)
            errors.unlink(missing_ok=True)
            end = bench.run(place, errors, full=operation)
            lines = errors.read_text().splitlines()
            if end.code == 0 and not lines and not bench.wrong(place):
                continue  # heartbeats count too: it had nothing left to write when its disk was full
            if end.code != 2 or len(lines) != 1 or "space" not in lines[0] or str(place) not in lines[0]:
                complaints[f"{name} ends with {end.code}: {lines[-2:]}"] += 1
            drafts = [path for path in (place / DRAFTS).rglob("*") if path.is_file()]
            complaints.update(f"{name} leaves a draft" for _ in drafts)
            resumed = bench.run(place)
            complaints.update(bench.wrong(place) if resumed.code == 0 else [f"{name} then ends with {resumed.code}"])
    record_property("campaign", f"full disks: {moments * len(benches)}, {complaints.total()} complaints")
    assert not complaints

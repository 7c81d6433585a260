"""A report that is cut off at any of its file operations: each file is whole or not there, and rows are as before."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scaling.store.storage import DRAFTS, Storage
from tests.faults import crashes
from tests.helpers import finished_study

ROOT = Path(__file__).parents[2]
ONE = 10**6  # so far apart that there is one point
ENDS = {".html": b"</html>", ".svg": b"</svg>", ".png": b"IEND\xaeB`\x82"}


def reported(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.faults.one_report", str(place), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def files(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("first", "every"), [(100, ONE), *(pytest.param(n, 4, marks=pytest.mark.faults) for n in range(4))]
)
def test_a_report_that_is_cut_off(tmp_path: Path, first: int, every: int, record_property: Any) -> None:
    before, place, complaints, reached = tmp_path / "before", tmp_path / "place", Counter[str](), 0
    finished_study.study(Storage.of(before))
    rows = files(before)
    shutil.copytree(before, place)
    whole = reported(place)
    assert whole.returncode == 0, whole.stderr
    operations, expected = whole.stdout.split(), files(place).keys()
    for point in crashes.points(operations)[first::every]:
        shutil.rmtree(place)
        shutil.copytree(before, place)
        end = reported(place, str(point.operation), point.moment)
        reached += end.returncode == crashes.KILLED
        left = {name: content for name, content in files(place).items() if not name.startswith(DRAFTS)}
        changed = [name for name, content in rows.items() if left.get(name) != content]
        made = {name: content.rstrip() for name, content in left.items() if name not in rows}
        torn = [name for name, content in made.items() if not content.endswith(ENDS[Path(name).suffix])]
        again = reported(place)
        Storage.of(place).sweep()
        strange = list(files(place).keys() ^ expected)
        complaints.update(f"{point.moment} {operations[point.operation]}: {name}" for name in changed + torn + strange)
        assert again.returncode == 0, again.stderr
    record_property(
        "campaign", f"crash points of a report, from {first} on: {reached}, {complaints.total()} complaints"
    )
    assert reached
    assert not complaints

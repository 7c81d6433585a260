from pathlib import Path

from benchmarks.report import make, measure, study
from scaling.store.frames import read_table
from scaling.store.storage import Storage


def test_a_made_study_is_whole_and_its_report_is_timed(tmp_path: Path) -> None:
    storage, made = Storage.of(tmp_path), study(3)
    make(storage, made)
    assert read_table(storage, "pretrain").height == 3
    assert read_table(storage, "transfer").height == 3 * len(made.tasks) * len(made.seeds)
    found = measure(storage)
    assert found["report_s"] > 0
    assert 0 < found["page_mb"] < 1
    assert storage.exists("figures/sweeps.png")
    assert "Plan against actual" in storage.read("report.html").decode()

from pathlib import Path

from benchmarks.analysis_scale import LIBRARIES, make, work


def test_the_work_on_made_rows_is_measured(tmp_path: Path) -> None:
    make(tmp_path, 2000, 40)
    models, days, on_frontier = LIBRARIES["polars"](tmp_path)
    assert models == 40
    assert on_frontier >= 1
    assert 0 < days < 40 * 8 * 310 / 86_400
    took = work("polars", tmp_path)
    assert took["answer"] == (models, days, on_frontier)
    assert took["cpu_seconds"] > 0
    assert took["gigabytes"] >= 0

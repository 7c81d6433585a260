"""What a desktop leaves beside the rows blocks no analysis."""

from pathlib import Path

from analysis.rows import load_rows
from scaling.store import TABLES, Storage, write_rows
from tests.helpers.rows import example


def test_clutter_beside_rows_blocks_no_analysis(tmp_path: Path) -> None:
    write_rows(Storage.of(tmp_path), "pretrain", [example("pretrain")])
    for table in TABLES:
        for name in ("._x.parquet", ".x.parquet", "x.parquet.tmp", ".ipynb_checkpoints/x.parquet", "x.parquet~"):
            file = tmp_path / table / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"no rows")
    assert len(load_rows(tmp_path).pretrain) == 1

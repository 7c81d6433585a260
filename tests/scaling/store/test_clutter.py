"""Files that are no data are told by their names, the same for images and rows."""

import pytest

from scaling.store import Storage, finished_ids, is_clutter, read_table, write_rows
from tests.helpers.rows import example


@pytest.mark.parametrize(
    "path",
    [
        ".DS_Store", "a/._x.png", "a/.ipynb_checkpoints/x-checkpoint.png", "@eaDir/x.jpg/SYNOPHOTO.jpg", "a/Thumbs.db",
        ".Trash-1000/files/x.png", "__MACOSX/a/x.png", "desktop.ini", "a/x.png~", "#recycle/x.png", "THUMBS.DB",
        "$RECYCLE.BIN/x.png", "a/.x.parquet", "Icon\r", "lost+found/x.png",
    ],
)  # fmt: skip
def test_clutter(path: str) -> None:
    assert is_clutter(path)


@pytest.mark.parametrize(
    "path",
    ["x.png", "./a/x.png", "#hashtag/x.png", "_x.parquet", "a b/thumbs.png", "a/eaDir/x.png", "icon.png", "a/x."],
)
def test_data(path: str) -> None:
    assert not is_clutter(path)


def test_clutter_beside_rows_blocks_nothing(storage: Storage) -> None:
    row = example("pretrain")
    write_rows(storage, "pretrain", [row])
    for name in ("._x.parquet", ".x.parquet", "x.parquet.tmp", ".ipynb_checkpoints/x.parquet", "Thumbs.db"):
        storage.write(f"pretrain/{name}", b"no rows")
    assert finished_ids(storage, "pretrain") == {row["run_id"]}
    assert len(read_table(storage, "pretrain")) == 1

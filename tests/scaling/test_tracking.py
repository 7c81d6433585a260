from pathlib import Path

import pytest

from scaling.store.results import write_row_file, write_rows
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage
from scaling.tracking import Options, main


def curve(storage: Storage, run_id: str) -> None:
    row = dict.fromkeys(TABLES["curve"].names) | {"run_id": run_id, "name": "ViT-B/16", "family": "vit"}
    write_rows(storage, "curve", [row | {"step": step, "train_loss": 1.0 / step} for step in (1, 2, 3)])


def test_event_files_of_rows_are_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage, out = Storage.of(tmp_path / "study"), tmp_path / "board"
    for run_id in ("a", "b"):
        curve(storage, run_id)
    for _ in range(2):
        assert main(Options(storage.uri, str(out))) == 0
    assert {path.name for path in out.iterdir()} == {"ViT-B-16-a", "ViT-B-16-b"}
    assert len(list((out / "ViT-B-16-a").iterdir())) == 1
    assert "2 runs in" in capsys.readouterr().out


def test_what_has_no_curves_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        main(Options(str(tmp_path / "nowhere"), str(tmp_path)))
    with pytest.raises(ValueError, match="holds no curve rows"):
        main(Options(str(tmp_path), str(tmp_path / "out")))


def test_a_run_id_that_leads_elsewhere_removes_nothing(tmp_path: Path) -> None:
    """Of a storage from anywhere: the file of rows is named as it should be, the id in it is not."""
    storage, out, victim = Storage.of(tmp_path / "study"), tmp_path / "board", tmp_path / "victim"
    victim.mkdir()
    row = dict.fromkeys(TABLES["curve"].names) | {"run_id": "x/../../victim", "name": "a", "family": "vit", "step": 1}
    write_row_file(storage, "curve", "x", [row])
    with pytest.raises(ValueError, match=r"/\.\./\.\./victim"):
        main(Options(storage.uri, str(out)))
    assert victim.is_dir()


def test_a_link_in_place_of_a_run_s_directory_is_not_followed(tmp_path: Path) -> None:
    storage, out, victim = Storage.of(tmp_path / "study"), tmp_path / "board", tmp_path / "victim"
    curve(storage, "a")
    for folder in (victim, out):
        folder.mkdir()
    (out / "ViT-B-16-a").symlink_to(victim)
    with pytest.raises(ValueError, match="is a link"):
        main(Options(storage.uri, str(out)))

"""Studies by name, by a user's file and by what a storage holds; mistakes in a user's file name its line."""

import re
from pathlib import Path

import pytest

from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from scaling.store.storage import Storage
from search_spaces.catalog import load_study

BEGIN = "from scaling.specs import *\nfrom scaling.data import FASHION\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = (\n", "mine.py, line 2: SyntaxError: '(' was never closed"),
        ("x = 1\nimport nothing_like_it", "mine.py, line 2 cannot be read: ModuleNotFoundError: No module named"),
        (BEGIN + "\nViT(4, 30, 2,\n  64, 4)", "mine.py, line 4: ViT width 30 is not a multiple"),
        (
            BEGIN + "def run():\n    return Pretrain('x', 'ViT-B/16', FASHION, 1e-3, 1)\n\nrun()",
            "mine.py, line 4: model of Pretrain must be ViT, ResNet or Hybrid, got 'ViT-B/16'",
        ),
        (
            BEGIN + "import torch\nPretrain('x', torch.nn.ReLU(), FASHION, 1e-3, 1)",
            "mine.py, line 4: model of Pretrain must be ViT, ResNet or Hybrid, got ReLU()",
        ),
        (BEGIN + "Recipe(batch_size='many')", "mine.py, line 3: batch_size of Recipe must be an integer, got 'many'"),
        (BEGIN + "Study('s', runs=('x',))", "mine.py, line 3: runs of Study must be a tuple of Pretrain, got"),
        (BEGIN + "Study('s', runs=3)", "mine.py, line 3: runs of Study must be a tuple of Pretrain, got 3"),
    ],
)
def test_a_mistake_in_a_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        load_study(str(file))
    assert "\n" not in str(raised.value)


def test_a_stored_study_is_a_study(tiny_run: Pretrain, storage: Storage) -> None:
    study = Study("s", (tiny_run,))
    storage.write("study.json", to_json(study).encode())
    assert load_study(storage.path("study.json")) == study
    with pytest.raises(ValueError, match="--miniature is for a study of search_spaces or of your own"):
        load_study(storage.path("study.json"), miniature=True)
    with pytest.raises(ValueError, match=r"other\.json not found"):
        load_study(storage.path("other.json"))
    storage.write("torn.json", b"{")
    with pytest.raises(ValueError, match=r"torn\.json: not a Study"):
        load_study(storage.path("torn.json"))


def test_a_directory_is_no_study(storage: Storage, tmp_path: Path) -> None:
    storage.write("study.json", b"{}")
    with pytest.raises(ValueError, match=r"is a directory: give the study that it holds, .*/study\.json"):
        load_study(storage.uri)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is a directory: give a study's name or file"):
        load_study(str(tmp_path / "empty"))
    (tmp_path / "study.txt").write_text("STUDY = 1")
    with pytest.raises(ValueError, match=r"must be a \.py file that holds STUDY"):
        load_study(str(tmp_path / "study.txt"))

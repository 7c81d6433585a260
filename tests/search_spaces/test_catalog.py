"""Studies by name, by a user's file and by what a storage holds; mistakes in a user's file name its line."""

import os
import re
from pathlib import Path

import pytest

from scaling.specs.functions import named_function
from scaling.specs.identity import to_json
from scaling.specs.models import Custom
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from scaling.store.storage import Storage
from search_spaces.catalog import load_study

BEGIN = "from scaling.specs import *\nfrom scaling.data import FASHION\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            BEGIN + "STUDY = Study('s', (Pretrain('r', ZOO['R-micro-S'], FASHION, 1e-3, 1),), "
            "evaluations=(Evaluation('no_such_module:f'),))\n",
            "Evaluation no_such_module:f cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("x = 1\ny = (\n", "mine.py, line 2: SyntaxError: '(' was never closed"),
        ("x = 1\nimport nothing_like_it", "mine.py, line 2 cannot be read: ModuleNotFoundError: No module named"),
        (BEGIN + "\nViT(4, 30, 2,\n  64, 4)", "mine.py, line 4: ViT width 30 is not a multiple"),
        (
            BEGIN + "def run():\n    return Pretrain('x', 'ViT-B/16', FASHION, 1e-3, 1)\n\nrun()",
            "mine.py, line 4: model of Pretrain must be ViT, ResNet, Hybrid or Custom, got 'ViT-B/16'",
        ),
        (
            BEGIN + "import torch\nPretrain('x', torch.nn.ReLU(), FASHION, 1e-3, 1)",
            "mine.py, line 4: model of Pretrain must be ViT, ResNet, Hybrid or Custom, got ReLU()",
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"import sys\nsys.exit()", "mine.py, line 2 ends the process, by sys.exit(None): a study file makes values"),
        (b"import sys\n\nsys.exit(3)", "mine.py, line 3 ends the process, by sys.exit(3)"),
        (b"raise SystemExit('bye')", "mine.py, line 1 ends the process, by sys.exit('bye')"),
        (b"raise GeneratorExit", "mine.py, line 1 cannot be read: GeneratorExit"),
        (b"raise OSError('two\\nlines')", "mine.py, line 1 cannot be read: OSError: two lines"),
        (b"x = 1\nopen('/not/there')", "mine.py, line 2 cannot be read: FileNotFoundError"),
        (b"def f(): f()\nf()", "mine.py, line 1 cannot be read: RecursionError"),
        (b"x = 1\nwhile True:\n    pass", "mine.py, line "),
        (b"import time\ntime.sleep(1e6)", "mine.py, line 2 is not at its end after 0.2 s"),
        (b"while True:\n  try:\n    while True: pass\n  except Exception: pass", "is not at its end after 0.2 s"),
        (b"\x00\x01\x02", "mine.py"),
        (b"\xff\xfe\xfa = 1", "mine.py"),
        (bytes(range(256)), "mine.py"),
        (b"STUDY = {'runs': 3}", "mine.py has no STUDY = Study(...): it is {'runs': 3}"),
        (b"from scaling.specs import Study\nSTUDY = Study", "mine.py has no STUDY = Study(...): it is <class"),
        (b"STUDY = None", "mine.py has no STUDY = Study(...)"),
        (b"", "mine.py has no STUDY = Study(...)"),
    ],
)
def test_a_file_that_makes_no_study_is_one_line(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDY_SECONDS", "0.2")
    (tmp_path / "mine.py").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        load_study(str(tmp_path / "mine.py"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["mine.py", "study.json"])
def test_a_fifo_or_a_file_without_an_end_is_no_study(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is a FIFO, where a file is needed"):
        load_study(str(tmp_path / name))
    (tmp_path / name).unlink()
    with (tmp_path / name).open("wb") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(ValueError, match=rf"{name} has 42,949,672,960 bytes, where .* are the most"):
        load_study(str(tmp_path / name))


@pytest.mark.parametrize("name", ["mine.so", "mine.pyc", "mine"])
def test_a_study_file_ends_in_py(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x00" * 20)
    with pytest.raises(ValueError, match=r"must be a \.py file that holds STUDY"):
        load_study(str(tmp_path / name))


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


OWN = """
from torch import nn
from scaling.data import ifs
from scaling.specs import *
from {beside} import WIDTH

def build(num_classes, resolution):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * resolution**2, num_classes))

def run(model):
    return Pretrain("x", model, ifs(classes=4, images=24, size=16), 1e-3, WIDTH)

STUDY = Study("x", (run(Custom(build)), run(Custom("{file}:build", options={{}}, version="2"))))
"""


def test_a_studys_functions_and_the_modules_beside_it_are_imported_as_a_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "beside_it.py").write_text("WIDTH = 8")
    file = tmp_path / "my_own.py"
    file.write_text(OWN.format(beside="beside_it", file="my_own.py"))
    for _ in range(2):
        study = load_study(str(file))
        models = [run.model for run in study.runs]
        assert [model.path for model in models if isinstance(model, Custom)] == ["my_own:build"] * 2
        assert named_function(models[0])(3, 4)[1].out_features == 3


@pytest.mark.parametrize("name", ["test.py", "json.py", "my-own.py"])
def test_a_file_whose_name_is_taken_holds_no_functions(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes would import another module by its name."""
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "beside_that.py").write_text("WIDTH = 8")
    (tmp_path / name).write_text(OWN.format(beside="beside_that", file="x.py").replace('"x.py:build"', "build"))
    with pytest.raises(ValueError, match=f"{re.escape(name)} holds functions that other processes import: rename it"):
        load_study(str(tmp_path / name))

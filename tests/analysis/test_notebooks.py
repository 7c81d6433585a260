"""The notebooks run headless on a study's rows, and on a copied part of them. Without marimo they are only read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from scaling.store.storage import Storage

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "analysis" / "notebooks").glob("*.py"))


def run(notebook: Path, storage: str) -> None:
    pytest.importorskip("marimo", reason="the extra 'notebooks' is not installed")
    done = subprocess.run(
        [sys.executable, notebook, "--storage", storage], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_there_is_one_for_each_part() -> None:
    assert {"frontier", "core_days", "sweeps", "laws"} <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_takes_the_place_of_the_rows_and_imports_no_torch(notebook: Path) -> None:
    text = notebook.read_text()
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert names <= {"marimo", "polars"}
    assert '.get("storage")' in text


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_headless(notebook: Path, study: Storage) -> None:
    run(notebook, study.uri)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_copied_folder(notebook: Path, study: Storage, storage: Storage) -> None:
    for name in study.list("pretrain"):
        storage.write(f"pretrain/{name}", study.read(f"pretrain/{name}"))
    for name in study.list("transfer"):
        storage.write(f"transfer/{name}", study.read(f"transfer/{name}"))
    run(notebook, storage.uri)

import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import main
from scaling.store.storage import Storage

ROOT = Path(__file__).parents[2]
POINT = {
    *("run_id", "name", "family", "task", "exaflops", "exaflops_valid", "top1_mean", "top1_std", "seeds", "base_lr"),
    *("epochs", "pretrained", "on_frontier", "on_family_frontier"),
}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_frontier_prints_json(study: Storage) -> None:
    done = python("-m", "analysis", "frontier", study.uri, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    points = json.loads(done.stdout)["points"]
    assert len(points) == 30
    assert all(point.keys() == POINT for point in points)
    assert "NaN" not in done.stdout


def test_core_days_prints_json(study: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["core-days", study.uri, "--json"]) == 0
    account = json.loads(capsys.readouterr().out)
    assert list(account) == [*("by_kind", "by_model", "total", "by_family", "by_study", "losses", "by_run", "notes")]
    assert [row["kind"] for row in account["by_kind"]] == ["pretrain", "trial", "transfer", "fewshot"]
    assert account["total"][0]["device"] == "cpu"


@pytest.mark.parametrize(("command", "shown"), [("frontier", "R14+ViT-S"), ("core-days", "hyperparameter search")])
def test_tables_for_people(study: Storage, capsys: pytest.CaptureFixture[str], command: str, shown: str) -> None:
    assert main([command, study.uri]) == 0
    assert shown in capsys.readouterr().out


def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = python("-m", "analysis", "report", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "does not exist" in done.stderr


def test_a_torn_file_is_a_users_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Storage.of(tmp_path).write("pretrain/x.parquet", b"torn")
    assert main(["frontier", str(tmp_path)]) == 2
    assert "not a whole Parquet file" in capsys.readouterr().err


def test_no_module_loads_torch_or_ray() -> None:
    code = (
        "import importlib, pkgutil, sys, analysis\n"
        "for m in pkgutil.walk_packages(analysis.__path__, 'analysis.'):\n"
        "    if '.notebooks' not in m.name: importlib.import_module(m.name)\n"
        "print(sorted({'torch', 'ray'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr

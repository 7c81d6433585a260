"""The embedded default, whole: it learns, and says so. Minutes long."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from analysis.rows import MEAN, accuracies, load_rows
from scaling.store import frames
from scaling.store.storage import Storage

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("quickstart")
    subprocess.run([sys.executable, ROOT / "scaling" / "run_study.py", "--storage", place], check=True)
    return place


def test_rows_and_report_are_there(quickstart: Path) -> None:
    assert (quickstart / "report.html").stat().st_size < 3e6
    assert (quickstart / "figures" / "frontier.png").is_file()
    assert frames.read_table(Storage.of(quickstart), "pretrain").height == 11


def test_pretraining_helps_the_largest_vit_and_compute_helps_every_family(quickstart: Path) -> None:
    found = accuracies(load_rows(quickstart))
    largest = found.filter(name="ViT-micro-L/4", task="fashion")
    gain = largest.filter(pretrained=True)["top1_mean"].item() - largest.filter(pretrained=False)["top1_mean"].item()
    assert gain >= 0.05
    assert largest["seeds"].to_list() == [3, 3]
    for (family,), models in found.filter(pl.col("pretrained"), task=MEAN).group_by("family"):
        ordered = models.sort("exaflops_valid")["top1_mean"]
        assert len(ordered) == (5 if family == "vit" else 3)
        assert ordered[-1] == ordered.max()
        assert ordered[0] == ordered.min()


def test_a_second_run_trains_nothing(quickstart: Path) -> None:
    before = frames.read_table(Storage.of(quickstart), "attempt").height
    subprocess.run([sys.executable, ROOT / "scaling" / "run_study.py", "--storage", quickstart], check=True)
    assert frames.read_table(Storage.of(quickstart), "attempt").height == before


def test_a_grid_from_one_of_its_checkpoints(quickstart: Path, tmp_path: Path) -> None:
    checkpoint = next((quickstart / "checkpoints").glob("*/final"))
    command: list[str | Path] = [sys.executable, "-m", "scaling.finetune_grid", "--checkpoint", checkpoint]
    command += ["--task", "digits", "--json"]
    done = subprocess.run([*command, "--storage", tmp_path], cwd=ROOT, check=True, capture_output=True, text=True)
    summary = json.loads(done.stdout)
    assert [row["base_lr"] for row in summary["grid"]] == [0.1, 0.2]
    assert summary["base_lr"] in (0.1, 0.2)
    assert len(summary["finals"]) == 3

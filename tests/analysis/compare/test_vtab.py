"""Scores on VTAB-1k against Table 9, whose group means were computed by hand."""

import json

import polars as pl
import pytest

from analysis.__main__ import main
from analysis.compare import vtab
from analysis.rows import load_rows, printed_table
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from search_spaces.vtab import VTAB
from tests.helpers import finished_study as made

TABLE_9 = {  # natural, specialized, structured; the mean over 19 is Table 2's
    "ViT-H/14, JFT-300M": (86.69, 87.00, 65.03, 77.63),
    "ViT-L/16, JFT-300M": (85.56, 86.72, 62.96, 76.29),
    "ViT-L/16, ImageNet-21k": (83.27, 84.65, 57.50, 72.71),
}


def finals(storage: Storage, run: str, top1: dict[str, float], *, seeds: int = 2, task_id: str = "t") -> None:
    for task, value in top1.items():
        for seed in range(seeds):
            key = f"{run}-{task}-{seed}-{task_id}"
            row = made.row("transfer", transfer_id=key, run_id=run, name=run, family="vit", pretrained=True)
            row |= made.setting(0.01) | {"task": task, "task_id": f"{task_id}-{task}", "seed": seed}
            write_rows(storage, "transfer", [row | {"test_top1": value + 0.02 * (seed - 0.5)}])


def test_published_group_means() -> None:
    frame = vtab.vtab_scores(vtab.published_vtab())
    assert frame["model"].to_list() == list(TABLE_9)  # best first
    for row in frame.to_dicts():
        found = [100 * row[name] for name in (*vtab.VTAB_GROUPS, vtab.VTAB_MEAN)]
        assert found == pytest.approx(TABLE_9[row["model"]], abs=0.006)


def test_scores_of_rows_are_means_over_seeds_and_tasks(storage: Storage) -> None:
    finals(storage, "A", {row.name: 0.5 + 0.01 * i for i, row in enumerate(VTAB)})
    finals(storage, "B", {row.name: 0.4 for row in VTAB if row.group != "structured"})
    finals(storage, "A", {"digits": 1.0})  # no task of VTAB
    whole, part = vtab.vtab_scores(vtab.vtab_top1(load_rows(storage))).to_dicts()
    assert whole["model"] == "A"
    assert whole["Caltech101"] == pytest.approx(0.5)
    assert whole["natural"] == pytest.approx(0.53)
    assert whole["specialized"] == pytest.approx(0.5 + 0.01 * 8.5)
    assert whole["mean"] == pytest.approx(0.59)
    assert (part["natural"], part["structured"], part["mean"]) == (pytest.approx(0.4), None, None)


def test_the_command(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    finals(storage, "A", {row.name: 0.5 for row in VTAB})
    assert main(["vtab", storage.uri, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["models"][0]["mean"] == pytest.approx(0.5)
    assert len(printed["published"]) == 3
    assert main(["vtab", storage.uri]) == 0
    text = capsys.readouterr().out
    assert "sNORB-Elev" in text
    assert "77.6" in text


def test_what_cannot_be_scored(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    finals(storage, "A", {"digits": 0.5})
    assert main(["vtab", storage.uri]) == 2
    assert "no final runs of VTAB-1k" in capsys.readouterr().err
    finals(storage, "A", {"vtab-dtd": 0.5})
    finals(storage, "A", {"vtab-dtd": 0.5}, task_id="u")
    with pytest.raises(ValueError, match="task vtab-dtd of run A was run in 2 settings"):
        vtab.vtab_top1(load_rows(storage))


def test_every_task_is_published_once() -> None:
    counts = vtab.published_vtab().group_by("task").len()
    assert set(counts["task"]) == {row.name for row in VTAB}
    assert counts["len"].unique().to_list() == [3]
    assert pl.read_csv(printed_table("table9")).height == 57

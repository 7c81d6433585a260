"""The learning rates of a study's trainings: in a table, as JSON, drawn; and its groups of parameters."""

import json
from pathlib import Path

import pytest

from analysis.__main__ import main

STUDY = """
from dataclasses import replace
from scaling.data.catalog import ifs
from scaling.specs import *
DATA = ifs(classes=4, images=1000, size=16)
RECIPE = Recipe(batch_size=10, warmup_steps=50, schedule="wsd", decay_share=0.2, loss="softmax")
LION = replace(RECIPE, optimizer=Optimizer("scaling.training:Lion", layer_decay=0.5))
MODEL = ViT(4, 32, 2, 64, 2)
STUDY = Study("rates", (
    Pretrain("a", MODEL, DATA, 1e-3, 10, RECIPE, resolution=16),
    Pretrain("b", MODEL, DATA, 1e-3, 10, RECIPE, resolution=16, seed=1),
    Pretrain("c", MODEL, DATA, 1e-4, 10, LION, resolution=16),
), (Task("t", DATA, (0.01, 0.1), 50, FINETUNE, resolution=16),))
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    file = tmp_path / "rates.py"
    file.write_text(STUDY)
    return str(file)


def test_rates_and_groups_are_those_of_the_trainings(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", study, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rates = {(row["stage"], row["name"], round(row["share"], 3)): row["lr"] for row in told["rates"]}
    assert {key[:2] for key in rates} == {
        ("Pre-training", "a and 1 more"),
        ("Pre-training", "c"),
        ("Fine-tuning", "t"),
    }
    stable, floor = rates["Pre-training", "a and 1 more", 0.5], rates["Pre-training", "a and 1 more", 1.0]
    assert (stable, floor) == (1e-3, 1e-5)
    assert max(rates.values()) <= 0.1  # the highest rate of the task's grid
    groups = {(row["name"], row["times the learning rate"]) for row in told["groups"]}
    assert groups == {("c", 0.125), ("c", 0.25), ("c", 0.5), ("c", 1.0)}  # patches, two blocks, norm and head


def test_a_table_and_a_figure(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", study, "--out", str(tmp_path / "figures")]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("a and 1 more", "wsd", "at 75%", "embeddings", "schedule.png"))
    assert {file.name for file in (tmp_path / "figures").glob("*.*g")} == {"schedule.png", "schedule.svg"}

import math
from typing import Any

import polars as pl
import pytest

from analysis.compare import importance_sentences, sweep_sentences, sweeps_of, sweeps_table
from analysis.compare.importance import importance
from analysis.figures.style import NothingToDrawError
from analysis.figures.sweeps import response_chart
from analysis.rows import load_rows
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers import finished_study as made

ABOUT = {"run_id": "r", "name": "m", "family": "vit", "pretrained": True, "task": "t", "task_id": "t"}


def trial(storage: Storage, base_lr: float, top1: float, **values: Any) -> None:
    about = ABOUT | {"trial_id": f"{base_lr}-{values}", "setting_id": f"{base_lr}-{values}", "base_lr": base_lr}
    row = made.row("trial", **about, seed=0)
    write_rows(storage, "trial", [row | {"steps": 9, "steps_done": 9, "dev_top1": top1, "dev_loss": 1.0} | values])


def only_sweep(storage: Storage) -> dict[str, Any]:
    return sweeps_of(load_rows(storage)).row(0, named=True)


def test_the_choice_of_the_made_study(study: Storage) -> None:
    rows = load_rows(study)
    chosen = sweeps_of(rows)
    assert chosen.height == 20  # nine models and a from-scratch baseline, on two tasks
    assert set(chosen["base_lr"]) == {made.CHOSEN}
    assert set(chosen["edge"]) == {"highest"}
    assert set(chosen["seeds"]) == {3}
    one = chosen.row(by_predicate=(pl.col("label") == "ViT-S/4") & (pl.col("task") == "digits"), named=True)
    assert one["dev_top1"] - one["next_dev_top1"] == pytest.approx(0.1)
    said = " ".join(sweep_sentences(chosen))
    assert "40 trials chose the setting of 20 pairs" in said
    assert "In 20 of 20 the chosen learning rate ends the grid (20 at the highest)" in said
    cells = sweeps_table(chosen).filter(pl.col("model") == "ViT-S/8 from scratch")
    assert cells["lead on dev"].to_list() == ["+10.00 over 0.003"] * 2
    assert all(len(text.split(" / ")) == 3 for text in cells["by seed"])


def test_a_learning_rate_inside_the_grid_ends_nothing(storage: Storage) -> None:
    for base_lr, top1 in ((0.1, 0.5), (0.2, 0.7), (0.4, 0.6)):
        trial(storage, base_lr, top1)
    row = only_sweep(storage)
    assert (row["base_lr"], row["edge"], row["next_lr"]) == (0.2, "", 0.4)
    assert row["top1"] is None
    assert sweep_sentences(sweeps_of(load_rows(storage)))[-1] == "No chosen learning rate ends its grid."
    assert sweeps_table(sweeps_of(load_rows(storage)))["test (%)"].to_list() == ["–"]


def test_ties_and_accuracies_that_are_none(storage: Storage) -> None:
    trial(storage, 0.1, 0.5, dev_loss=2.0)
    trial(storage, 0.2, 0.5)
    trial(storage, 0.4, math.nan)
    row = only_sweep(storage)
    assert row["base_lr"] == 0.2
    assert sweeps_table(sweeps_of(load_rows(storage)))["lead on dev"].to_list() == ["+0.00 over 0.1 (by dev loss)"]
    response_chart(load_rows(storage))


def test_one_learning_rate_is_no_response(storage: Storage) -> None:
    trial(storage, 0.1, 0.5)
    assert sweeps_table(sweeps_of(load_rows(storage)))["lead on dev"].to_list() == ["the only one"]
    with pytest.raises(NothingToDrawError, match="no model was tried at two learning rates"):
        response_chart(load_rows(storage))


def test_importance_finds_the_parameter_that_matters(storage: Storage) -> None:
    for number in range(32):
        base_lr, dropout = 10 ** (-3 + number % 8 / 4), 0.1 * (number // 8)
        trial(storage, base_lr, 0.6 - 0.05 * (math.log10(base_lr) + 2) ** 2, dropout=dropout)
    shares = importance(load_rows(storage).trial)
    assert shares.keys() == {"base_lr", "dropout"}
    assert shares["base_lr"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)
    assert importance(load_rows(storage).trial.head(19)) == {}
    assert importance_sentences(load_rows(storage).trial.drop("dropout").with_columns(dropout=pl.lit(0.0))) == []

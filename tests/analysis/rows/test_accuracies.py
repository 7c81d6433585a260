import statistics
from typing import Any

import polars as pl
import pytest

from analysis.rows import (
    accuracies,
    best_on_curves,
    load_rows,
    tasks_of,
    with_display_name,
)
from analysis.rows.accuracies import ACCURACY_COLUMNS
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers import finished_study as made


def one(frame: pl.DataFrame, **equal: object) -> dict[str, Any]:
    return frame.row(by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in equal.items()), named=True)


def final(storage: Storage, name: str, **values: object) -> None:
    usual = {
        "run_id": "r",
        "name": "m",
        "family": "vit",
        "pretrained": True,
        "task": "t",
        "task_id": "i",
        "base_lr": 0.1,
    }
    merged = usual | values
    merged["setting_id"] = f"s{merged['base_lr']}"
    write_rows(storage, "transfer", [made.row("transfer", transfer_id=name, seed=0, test_top1=0.5) | merged])


def trial(storage: Storage, base_lr: float, top1: float) -> None:
    about = {"run_id": "r", "name": "m", "family": "vit", "pretrained": True, "task": "t", "task_id": "i"}
    about |= {"setting_id": f"s{base_lr}", "steps": 1, "steps_done": 1}
    write_rows(
        storage,
        "trial",
        [made.row("trial", trial_id=f"t{base_lr}", **about, base_lr=base_lr, dev_top1=top1, dev_loss=1.0)],
    )


def test_a_storage_without_rows_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="holds no rows"):
        load_rows(storage)
    with pytest.raises(ValueError, match=r"nowhere does not exist"):
        load_rows(storage.path("nowhere"))


def test_one_row_a_run_and_task_with_the_mean_over_seeds(study: Storage) -> None:
    rows = load_rows(study)
    frame = accuracies(rows)
    assert tuple(frame.columns) == ACCURACY_COLUMNS
    assert frame.height == (9 + 1) * (2 + 1)
    point = one(frame, run_id="run-vit-1", task="digits")
    values = rows.transfer.filter((pl.col("run_id") == "run-vit-1") & (pl.col("task") == "digits"))[
        "test_top1"
    ].to_list()
    assert point["seeds"] == 3
    assert point["top1_mean"] == pytest.approx(statistics.mean(values))
    assert point["top1_std"] == pytest.approx(statistics.stdev(values))
    assert point["exaflops_valid"] == pytest.approx(4e14 / 1e18)
    assert point["exaflops"] == pytest.approx(4e14 * 1.03 / 1e18)


def test_the_mean_row_is_the_mean_over_tasks_with_the_deviation_of_the_seeds_means(study: Storage) -> None:
    rows = load_rows(study)
    frame = accuracies(rows)
    parts = [one(frame, run_id="run-vit-1", task=task)["top1_mean"] for task in made.TASKS]
    mean = one(frame, run_id="run-vit-1", task="mean")
    assert mean["top1_mean"] == pytest.approx(statistics.mean(parts))
    seeds = rows.transfer.filter(pl.col("run_id") == "run-vit-1").group_by("seed").agg(pl.col("test_top1").mean())
    assert mean["top1_std"] == pytest.approx(statistics.stdev(seeds["test_top1"]))
    assert mean["base_lr"] is None


def test_a_from_scratch_baseline_has_no_pretraining_compute(study: Storage) -> None:
    baseline = one(accuracies(load_rows(study)), run_id=made.SCRATCH, task="digits")
    assert (baseline["exaflops"], baseline["epochs"], baseline["pretrained"]) == (0.0, None, False)


def test_only_finals_at_the_learning_rate_chosen_on_dev_count(storage: Storage) -> None:
    trial(storage, 0.1, 0.8)
    trial(storage, 0.3, 0.7)
    final(storage, "a", base_lr=0.1, test_top1=0.6)
    final(storage, "b", base_lr=0.3, test_top1=0.9)  # better on test, not chosen
    point = one(accuracies(load_rows(storage)), task="t")
    assert (point["base_lr"], point["top1_mean"], point["top1_std"], point["seeds"]) == (0.1, 0.6, None, 1)
    assert point["exaflops"] is None  # its own row is not there yet


def test_finals_without_trials_count_and_learning_rates_are_never_mixed(storage: Storage) -> None:
    final(storage, "a", base_lr=0.1, seed=0, test_top1=0.5)
    final(storage, "b", base_lr=0.1, seed=1, test_top1=0.7)
    final(storage, "c", base_lr=0.3, seed=0, test_top1=0.99)
    point = one(accuracies(load_rows(storage)), task="t")
    assert (point["base_lr"], point["top1_mean"]) == (0.1, pytest.approx(0.6))


def test_tasks_of_one_name_are_told_apart_and_a_run_without_all_has_no_mean(storage: Storage) -> None:
    final(storage, "a", task_id="1111aaaa")
    final(storage, "b", task_id="2222bbbb")
    final(storage, "c", task_id="2222bbbb", run_id="other")
    frame = accuracies(load_rows(storage))
    assert tasks_of(frame) == ["t#1111", "t#2222", "mean"]
    assert frame.filter(pl.col("task") == "mean")["run_id"].to_list() == ["r"]


def test_labels_tell_lengths_apart_only_where_there_are_several() -> None:
    frame = pl.DataFrame({"name": ["L", "L", "B"], "epochs": [7.0, 14.0, 7.0]})
    assert with_display_name(frame)["label"].to_list() == ["L (7 ep)", "L (14 ep)", "B"]


def test_the_best_of_each_curve_wherever_its_rows_are() -> None:
    runs, values = ["a", "a", "b", "a", "b"], [0.1, 0.3, None, 0.5, 0.2]
    found = best_on_curves(pl.LazyFrame({"run_id": runs, "dev_top1": values})).collect().sort("run_id")
    assert found.rows() == [("a", 0.5), ("b", 0.2)]

import polars as pl
import pytest

from analysis.rows import accuracies, load_rows, merge_seeds, models_by_run
from analysis.tables import results_table
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers import finished_study as made

WHO = {"name": "m", "family": "vit"}


def spec(seed: int, base_lr: float) -> str:
    return f'{{"seed": {seed}, "base_lr": {base_lr}}}'


def pretrained(storage: Storage, run_id: str, seed: int, base_lr: float = 0.1) -> None:
    row = made.row("pretrain", run_id=run_id, **WHO, seed=seed, spec=spec(seed, base_lr), train_flops_valid=1e15)
    write_rows(storage, "pretrain", [row])


def probed(storage: Storage, run_id: str, top1: list[float], shots: int = 5) -> None:
    rows = [
        made.row(
            "fewshot", probe_id=f"{run_id}-{shots}", run_id=run_id, **WHO, dataset="d", shots=shots, seed=s, test_top1=v
        )
        for s, v in enumerate(top1)
    ]
    write_rows(storage, "fewshot", rows)


def test_runs_that_differ_in_their_seed_alone_are_one_model(storage: Storage) -> None:
    for run_id, seed, base_lr in (("b", 0, 0.1), ("a", 1, 0.1), ("c", 0, 0.2)):
        pretrained(storage, run_id, seed, base_lr)
    probed(storage, "a", [0.5])
    rows = load_rows(storage)
    same = models_by_run(rows.pretrain, rows.transfer)
    assert dict(same.rows()) == {"a": "b", "b": "b", "c": "c"}
    assert merge_seeds(rows.fewshot, same)["run_id"].to_list() == ["b"]


def test_a_study_without_fine_tunings_is_judged_by_its_few_shot_accuracies(storage: Storage) -> None:
    for run_id, seed, top1 in (("a", 0, [0.4, 0.6]), ("b", 1, [0.6, 0.8])):
        pretrained(storage, run_id, seed)
        probed(storage, run_id, top1)
        probed(storage, run_id, [0.9, 0.9], shots=25)
    frame = accuracies(load_rows(storage))
    row = frame.filter(pl.col("task") != "mean").to_dicts()[0]
    assert frame["run_id"].unique().to_list() == ["a"]
    assert row["task"] == "d 5-shot"
    assert row["seeds"] == 4
    assert row["top1_mean"] == pytest.approx(0.6)
    assert row["exaflops_valid"] == pytest.approx(1e-3)
    table = results_table(load_rows(storage))
    assert table.columns[-1] == "d 5-shot (%)"
    assert table.height == 1


def test_fine_tunings_of_replicas_count_together(storage: Storage) -> None:
    for run_id, seed in (("a", 0), ("b", 1)):
        pretrained(storage, run_id, seed)
        for task, top1 in (("x", 0.5 + seed / 10), ("y", 0.7 + seed / 10)):
            about = {"task": task, "task_id": task, "base_lr": 0.1, "setting_id": "s", "seed": 0, "pretrained": True}
            row = made.row("transfer", transfer_id=f"{run_id}{task}", run_id=run_id, **WHO, **about, test_top1=top1)
            write_rows(storage, "transfer", [row])
    frame = accuracies(load_rows(storage))
    assert frame.select("task", "seeds").rows() == [("x", 2), ("y", 2), ("mean", 2)]
    assert frame.filter(pl.col("task") == "mean")["top1_mean"].item() == pytest.approx(0.65)
    assert frame.filter(pl.col("task") == "mean")["top1_std"].item() == pytest.approx(0.1 / 2**0.5)

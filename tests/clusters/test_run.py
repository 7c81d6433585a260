"""A tiny study through a real Ray: all units, nothing twice, only what is new, failures that stop nothing."""

from dataclasses import replace
from pathlib import Path

import optuna
import polars as pl
import pytest
from rich.console import Console

from clusters.run import run
from scaling.console.cli import Machine
from scaling.schedule.pending import is_finished
from scaling.specs.evaluations import KNN, Evaluation
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Scratch
from scaling.specs.search import Choice, Halving, Range, Search
from scaling.specs.study import Study, Task
from scaling.store import frames, results
from scaling.store.storage import Storage
from tests.helpers import measures
from tests.helpers.specs import RECIPE, TINY, TUNING

pytestmark = pytest.mark.usefixtures("cluster")
QUIET = Console(quiet=True)
TABLES = ("pretrain", "curve", "trial", "transfer", "fewshot")


def rows(storage: Storage) -> dict[str, pl.DataFrame]:
    return {table: frames.read_table(storage, table) for table in TABLES}


def attempts(storage: Storage) -> int:
    return frames.read_table(storage, "attempt").height


@pytest.fixture(scope="module")
def study(data: Dataset) -> Study:
    tiny = Pretrain("tiny", TINY, data, 1e-3, 1, RECIPE, resolution=16, dev_fraction=0.1)
    task = Task("fractals", data, (0.01, 0.1), 4, TUNING, dev_fraction=0.25, resolution=16)
    few = FewShot(data, shots=(1, 5), resolution=16)
    measured = (KNN(data, resolution=16), Evaluation(measures.sizes, resolution=16))
    return Study("tiny", (tiny,), (task,), (few,), (Scratch("tiny", TINY),), evaluations=measured, seeds=(0, 1))


@pytest.fixture(scope="module")
def done(study: Study, cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the study is finished."""
    storage = Storage.of(tmp_path_factory.mktemp("run") / "storage")
    assert run(study, storage, QUIET) == 0
    return storage


def test_every_unit_has_its_rows_and_one_attempt(study: Study, done: Storage) -> None:
    found = rows(done)
    assert found["pretrain"]["run_id"].to_list() == [study.runs[0].id]
    assert found["trial"].height == 2 * 2  # run and control, two rates
    assert found["transfer"].height == 2 * 2  # two seeds
    assert found["fewshot"].height == 2 * 2 * 3
    assert dict(frames.read_table(done, "metric")["evaluation"].value_counts().rows()).keys() == {"knn", "sizes"}
    units = {"pretrain": 1, "trial": 4, "transfer": 4, "fewshot": 2, "metric": 4}
    ledger = frames.read_table(done, "attempt")
    assert dict(ledger["kind"].value_counts().rows()) == units
    assert set(ledger["outcome"]) == {"done"}
    best = frames.best_trials(found["trial"])
    chosen = found["transfer"].join(best, on=["run_id", "task_id", "setting_id"])
    assert chosen.height == found["transfer"].height  # finals run at the best trial's rate
    assert done.list(".tmp") == []  # Ray's own files are gone


def test_running_again_does_nothing(study: Study, done: Storage) -> None:
    before = attempts(done)
    assert is_finished(study, done, {})
    assert run(study, done, QUIET) == 0
    assert attempts(done) == before


def test_an_extended_study_runs_only_what_is_new(study: Study, done: Storage) -> None:
    before = set(frames.read_table(done, "attempt")["unit_id"])
    other = replace(study.runs[0], name="other", seed=7)
    wider = replace(study.tasks[0], base_lrs=(0.01, 0.1, 1e-9))  # the new rate is never the best
    assert run(replace(study, runs=(*study.runs, other), tasks=(wider,), seeds=(0, 1, 2)), done, QUIET) == 0
    new = frames.read_table(done, "attempt").filter(~pl.col("unit_id").is_in(before))
    assert dict(new["kind"].value_counts().rows()) == {
        "pretrain": 1,
        "trial": 1 + 1 + 3,  # the new rate for run and control, the grid of the new run
        "transfer": 1 + 1 + 3,  # the new seed for run and control, three of the new run
        "fewshot": 1,
        "metric": 2,
    }


def test_searches_of_every_kind_side_by_side(study: Study, done: Storage) -> None:
    """A learning search, halving, and two objectives; shown in Optuna, whose file may go at any time."""
    rate, task = ("base_lr", Range(1e-3, 1e-1, log=True)), study.tasks[0]
    learning = Search((rate, ("dropout", Range(0.0, 0.2))), 4, "tpe", generation=2)
    front = Search((rate, ("steps", Choice((2, 4)))), 4, "nsga2", generation=2, objectives=("dev_top1", "flops"))
    tasks = (
        replace(task, name="tpe", base_lrs=(), search=learning),
        replace(task, name="halving", base_lrs=(0.01, 0.03, 0.1, 0.3), halving=Halving(1, 2)),
        replace(task, name="pareto", base_lrs=(), search=front),
    )
    made = replace(study, tasks=tasks, scratch=(), seeds=(0,))
    assert run(made, done, QUIET) == 0
    trials = frames.read_table(done, "trial").filter(pl.col("task").is_in(["tpe", "halving", "pareto"]))
    assert dict(trials["task"].value_counts().rows()) == {"tpe": 4, "halving": 4, "pareto": 4}
    rungs = trials.filter(task="halving")["rung_steps"].to_list()
    assert [1] in rungs
    assert [1, 2, 4] in rungs
    finals = frames.read_table(done, "transfer").filter(task="pareto")
    assert 1 <= finals.height <= 2  # one for each number of steps at most
    assert all("/final" in name for name in checkpoints(done))  # what halving left behind is gone

    file = Path(done.path("optuna.db"))
    shown = {name: optuna.load_study(study_name=name, storage=f"sqlite:///{file}") for name in studies(file)}
    assert {name.split(" (")[0]: len(each.trials) for name, each in shown.items()}["tiny on tpe"] == 4
    file.unlink()
    before = attempts(done)
    wider = replace(tasks[0], search=replace(learning, trials=6))
    assert run(replace(made, tasks=(wider,)), done, QUIET) == 0
    assert frames.read_table(done, "trial").filter(task="tpe").height == 6
    assert attempts(done) - before in (2, 3)  # two trials, and a final run if the best changed
    (name,) = studies(file)
    assert len(optuna.load_study(study_name=name, storage=f"sqlite:///{file}").trials) == 6


def studies(file: Path) -> list[str]:
    return optuna.get_all_study_names(f"sqlite:///{file}")


def checkpoints(storage: Storage) -> list[str]:
    return [f"{unit}/{name}" for unit in storage.list("checkpoints") for name in storage.list(f"checkpoints/{unit}")]


def test_a_failed_run_is_recorded_and_the_queue_goes_on(study: Study, tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    bad = replace(study.runs[0], name="bad", base_lr=1e3, recipe=replace(study.runs[0].recipe, grad_clip=None))
    wanted = replace(study, runs=(bad, *study.runs), scratch=(), fewshot=(), evaluations=())
    assert run(wanted, storage, QUIET) == 1
    assert results.finished_ids(storage, "pretrain") == {study.runs[0].id}
    assert set(frames.read_table(storage, "transfer")["run_id"]) == {study.runs[0].id}
    (failed,) = frames.read_table(storage, "attempt").filter(outcome="diverged").to_dicts()
    assert failed["unit_id"] == bad.id
    assert "NonFiniteLossError" in failed["reason"]


def test_two_workers_through_ray_train_as_one(study: Study, tmp_path: Path) -> None:
    alone = replace(study.runs[0], recipe=replace(study.runs[0].recipe, dropout=0.0))
    curves = []
    for workers in (1, 2):
        storage = Storage.of(tmp_path / str(workers))
        assert run(Study("w", (alone,)), storage, QUIET, Machine(workers=workers)) == 0
        curves.append(frames.read_table(storage, "curve").sort("step")["train_loss"].to_list())
        assert frames.read_table(storage, "attempt")["workers"].to_list() == [workers]
    assert curves[1] == pytest.approx(curves[0], rel=2e-6)


def test_trials_of_two_workers_search_as_those_of_one(study: Study, done: Storage, tmp_path: Path) -> None:
    upstream = study.runs[0]
    given = {upstream.id: done.path(results.checkpoint_name(upstream.id))}
    halved = replace(study.tasks[0], base_lrs=(0.01, 0.03, 0.1, 0.3), halving=Halving(1, 4))
    found = []
    for workers in (1, 2):
        storage = Storage.of(tmp_path / str(workers))
        made = Study("w", (upstream,), (halved,), seeds=(0,))
        assert run(made, storage, QUIET, Machine(trial_workers=workers), given=given) == 0
        found.append(frames.read_table(storage, "trial").sort("trial_id"))
        assert frames.read_table(storage, "transfer").height == 1
        ledger = frames.read_table(storage, "attempt")
        assert ledger.height == 4 + 1 + 1  # four to the first rung, the best of them to the end, its final run
        assert set(ledger["workers"]) == {workers}
    one, two = found
    assert one["rung_steps"].to_list() == two["rung_steps"].to_list()
    assert two["dev_loss"].to_list() == pytest.approx(one["dev_loss"].to_list(), rel=1e-4)


def test_more_workers_than_the_cluster_has_is_an_error(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--workers 8: the cluster has 0 GPUs and 2 CPUs"):
        run(study, Storage.of(tmp_path), QUIET, Machine(workers=8))

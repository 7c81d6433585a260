"""The table of a search while it runs: what is known, what runs, what is chosen."""

from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from scaling.console.grid_table import ROWS, GridTable
from scaling.runs.finetune import known_columns
from scaling.schedule.pairs import Pair
from scaling.specs.pretraining import Pretrain
from scaling.specs.search import Choice, Range, Search
from scaling.specs.study import Task, Transfer
from scaling.store import results
from scaling.store.storage import Storage
from tests.helpers.rows import trial_row

SEEDS = (0, 1)


@pytest.fixture
def pair(tiny_run: Pretrain, tiny_task: Task) -> Pair:
    return Pair(tiny_run, replace(tiny_task, base_lrs=(0.1, 0.2)), 0)


def trials(pair: Pair) -> list[Transfer]:
    return [pair.dev(replace(pair.task.own, base_lr=base_lr)) for base_lr in pair.task.base_lrs]


def leave(storage: Storage, unit: Transfer, top1: float) -> None:
    """The row that a fine-tuning with this accuracy leaves."""
    if unit.phase == "dev":
        results.write_rows(storage, "trial", [trial_row(unit, top1)])
    else:
        judged = {"transfer_id": unit.id, "test_top1": top1, "train_loss": 1.0}
        results.write_rows(storage, "transfer", [known_columns(unit) | judged])


def rows(table: Table) -> list[tuple[str, ...]]:
    return list(zip(*(list(map(str, column.cells)) for column in table.columns), strict=True))


def test_it_fills_while_the_grid_runs(pair: Pair, storage: Storage) -> None:
    shown, (low, high) = GridTable(pair, SEEDS, storage), trials(pair)
    assert rows(shown.table({})) == [("0.1", "–", "–", "", ""), ("0.2", "–", "–", "", "")]
    at_work = rows(shown.table({low.id: 3}))
    assert [row[3] for row in at_work] == [f"step 3 of {low.steps}", ""]
    leave(storage, low, 0.25)
    assert shown.ended(low, "") == "base lr 0.1: dev accuracy 25.00%, loss 1.0000"
    assert rows(shown.table({low.id: low.steps}))[0] == ("0.1", "25.00%", "1.0000", "", "")
    leave(storage, high, 0.5)
    shown.ended(high, "")
    shown.begin()
    final = Transfer(pair.upstream, pair.task, high.setting, 1, "final")
    assert [row[3] for row in rows(shown.table({}))] == ["", "chosen"]
    assert shown.table({final.id: 2}).caption == f"final run with seed 1: step 2 of {final.steps}"
    leave(storage, final, 0.75)
    assert shown.ended(final, "") == "final run at base lr 0.2, seed 1: test accuracy 75.00%"
    assert shown.table({final.id: final.steps}).caption is None
    assert rows(shown.table({}))[1] == ("0.2", "50.00%", "1.0000", "chosen", "75.00%")
    assert rows(GridTable(pair, SEEDS, storage).table({})) == rows(shown.table({}))  # by the rows alone
    assert rows(GridTable(pair, (0,), storage).table({}))[1][-1] == ""  # of the seeds that are asked for


def test_a_failed_trial_is_at_work_no_more(pair: Pair, storage: Storage) -> None:
    shown, (low, _) = GridTable(pair, SEEDS, storage), trials(pair)
    assert shown.ended(low, "it broke") == "base lr 0.1: failed"
    assert rows(shown.table({low.id: 3}))[0] == ("0.1", "–", "–", "", "")


def test_a_learning_search_brings_new_rows(pair: Pair, storage: Storage) -> None:
    space = (("base_lr", Range(0.01, 1.0, log=True)), ("dropout", Range(0.0, 0.2)))
    pair = replace(pair, task=replace(pair.task, search=Search(space, 4, generation=2)))
    shown = GridTable(pair, SEEDS, storage)
    assert len(rows(shown.table({}))) == 2  # the grid, before the first generation
    for trial in trials(pair):
        leave(storage, trial, 0.5)
        shown.ended(trial, "")
    assert len(rows(shown.table({}))) == 4
    assert [str(column.header) for column in shown.table({}).columns][:2] == ["base lr", "dropout"]


def test_a_long_table_shows_the_best_and_those_at_work(pair: Pair, storage: Storage) -> None:
    base_lrs = tuple(0.01 * (i + 1) for i in range(ROWS + 5))
    search = Search((("base_lr", Choice(base_lrs)),), sampler="grid")
    pair = replace(pair, task=replace(pair.task, base_lrs=(), search=search))
    every = [pair.dev(replace(pair.task.own, base_lr=base_lr)) for base_lr in base_lrs]
    for i, trial in enumerate(every[:-1]):
        leave(storage, trial, i / 100)
    table = GridTable(pair, SEEDS, storage).table({every[-1].id: 1})
    assert [row[0] for row in rows(table)] == [f"{base_lr:.4g}" for base_lr in base_lrs[5:]]
    assert table.caption == "and 5 more"
    Console(quiet=True).print(table)


def test_the_cost_is_shown_where_it_is_an_objective(pair: Pair, storage: Storage) -> None:
    space = (("base_lr", Range(0.01, 1.0, log=True)), ("steps", Choice((2, 4))))
    front = Search(space, 2, "nsga2", objectives=("dev_top1", "flops"))
    pair = replace(pair, task=replace(pair.task, search=front))
    for trial in trials(pair):
        leave(storage, trial, 0.5)
    table = GridTable(pair, SEEDS, storage).table({})
    assert "TFLOPs" in [column.header for column in table.columns]

"""Searches as values: what is refused, and JSON there and back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from scaling.specs.identity import from_json, to_json
from scaling.specs.search import Choice, Halving, Range, Search, parameters_of, with_parameters
from scaling.specs.study import Task

BY_LR = (("base_lr", Range(0.01, 0.1, log=True)),)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Range(1.0, 1.0), "low of a Range must be below high, got 1.0 to 1.0"),
        (lambda: Range(0.0, 1.0, log=True), "low of a Range with log must be positive, got 0.0"),
        (lambda: Choice(()), "values of a Choice must not be empty"),
        (lambda: Choice((1, 1)), r"values of a Choice must differ, got \(1, 1\)"),
        (lambda: Search((), 3), "space of a search must name a parameter"),
        (lambda: Search((("batch", Choice((1, 2))),), 3), "cannot search batch: take base_lr, steps, resolution or"),
        (lambda: Search(BY_LR, sampler="grid"), "needs a Choice of every parameter, not a Range of base_lr"),
        (lambda: Search(BY_LR, 0), "trials of a tpe search must be positive, got 0"),
        (lambda: Search(BY_LR), "trials of a tpe search must be positive, got None"),
        (lambda: Search((("steps", Choice((1,))),), 3, "grid"), "tries all combinations: take trials=None, got 3"),
        (
            lambda: Search(BY_LR, 3, sampler="gp"),  # type: ignore[arg-type]
            "must be .* or 'nsga2' or Sampler, got 'gp'",
        ),
        (lambda: Search(BY_LR, 3, objectives=("flops",)), "objectives must be"),
        (lambda: Halving(0), "first of halving must be positive"),
        (lambda: Halving(1, 1), "factor of halving must be 2 or more"),
    ],
)
def test_mistakes_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_does_not_go_together_is_refused(tiny_task: Task) -> None:
    halving = Halving(1)
    for search, message in (
        (Search(BY_LR, 3), "halving goes with sampler 'grid' or 'random', not 'tpe'"),
        (Search((*BY_LR, ("steps", Choice((4, 8)))), 3, "random"), "does not go with a search of steps"),
        (Search(BY_LR, 3, "random", objectives=("dev_top1", "flops")), "goes with one objective"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(tiny_task, search=search, halving=halving)
    with pytest.raises(ValueError, match="must have base_lrs or a search"):
        replace(tiny_task, base_lrs=())
    with pytest.raises(ValueError, match="needs base_lr in its space, or base_lrs"):
        replace(tiny_task, base_lrs=(), search=Search((("dropout", Range(0.0, 0.1)),), 3))


def test_rungs_end_at_the_last_step() -> None:
    assert Halving(10, 3).rungs(100) == [10, 30, 100]
    assert Halving(20, 4).rungs(79) == [79]
    assert Halving(10, 2).rungs(40) == [10, 20, 40]
    assert Halving(50).rungs(50) == [50]


def test_a_search_is_outside_the_identity_and_survives_json(tiny_task: Task) -> None:
    search = Search((*BY_LR, ("steps", Choice((4, 8))), ("dropout", Range(0.0, 0.5))), 5, "nsga2", 3)
    task = replace(tiny_task, base_lrs=(), search=search)
    assert task.id == tiny_task.id
    assert from_json(Task, to_json(task)) == task


def test_parameters_are_those_of_the_setting_and_of_its_recipe(tiny_task: Task) -> None:
    values = {"base_lr": 0.5, "steps": 7, "resolution": 32, "dropout": 0.25}
    setting = with_parameters(tiny_task.own, values)
    assert parameters_of(setting, values) == values
    assert setting.recipe == replace(tiny_task.recipe, dropout=0.25)

"""Hyperparameter searches of fine-tunings: learning rate with regularization (ViT §4.3), and accuracy against cost.

§4.3 tunes weight decay, dropout and label smoothing on smaller data sets, without giving the ranges: these are ours.
With SGD on Fashion-MNIST a weight decay of 0.01 already harms, and a label smoothing of 0.2 still helps.
`python -m scaling.finetune_grid --search NAME` takes one of SEARCHES.
"""

from collections.abc import Callable
from typing import Literal

from scaling.specs import Choice, Range, Search, Task

BASE_LR = Range(1e-3, 3e-1, log=True)
SPACE = {  # besides the learning rate
    "weight_decay": Range(0.0, 5e-3),
    "dropout": Range(0.0, 0.1),
    "label_smoothing": Range(0.0, 0.2),
}


def regularization(trials: int = 24, seed: int = 0, base_lrs: tuple[float, ...] = ()) -> Search:
    """TPE over learning rate, weight decay, dropout and label smoothing; the task's own grid is tried first.

    Learning rates lie between the lowest and the highest of the grid's `base_lrs`, or in BASE_LR if these are fewer
    than two.
    """
    base_lr = Range(min(base_lrs), max(base_lrs), log=True) if len(set(base_lrs)) > 1 else BASE_LR
    return Search((("base_lr", base_lr), *SPACE.items()), trials, "tpe", seed, generation=4)


def accuracy_for_cost(
    steps: tuple[int, ...],
    resolutions: tuple[int, ...],
    trials: int = 24,
    seed: int = 0,
    sampler: Literal["tpe", "nsga2"] = "tpe",
) -> Search:
    """Learning rate, steps and resolution, for dev accuracy against FLOPs; the Pareto set is kept.

    By TPE, which is Optuna's default for several objectives since its version 5, or by NSGA-II, its former one.
    """
    space = (("base_lr", BASE_LR), ("steps", Choice(steps)), ("resolution", Choice(resolutions)))
    return Search(space, trials, sampler, seed, objectives=("dev_top1", "flops"))


def _cost(task: Task, trials: int, seed: int, sampler: Literal["tpe", "nsga2"]) -> Search:
    """Accuracy for cost at the task's own steps and resolution, and at fractions of both."""
    steps, resolution = task.steps, task.resolution
    shorter = tuple(dict.fromkeys(max(1, steps // part) for part in (4, 2, 1)))
    smaller = tuple(dict.fromkeys(max(1, resolution // part) for part in (2, 1)))
    return accuracy_for_cost(shorter, smaller, trials, seed, sampler)


SEARCHES: dict[str, Callable[[Task, int, int], Search]] = {  # (task, trials, seed) -> search
    "regularization": lambda task, trials, seed: regularization(trials, seed, task.base_lrs),
    "cost": lambda task, trials, seed: _cost(task, trials, seed, "tpe"),
    "cost-nsga2": lambda task, trials, seed: _cost(task, trials, seed, "nsga2"),
}

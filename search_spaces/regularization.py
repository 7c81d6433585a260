"""Searches of the fine-tuning: the rate with the regularization (ViT §4.3), and accuracy against its cost.

§4.3 tunes weight decay, dropout and label smoothing where little data is trained on, without giving the ranges: these
are ours. With SGD on Fashion-MNIST a weight decay of 0.01 already harms, and label smoothing of 0.2 still helps.
`python -m scaling.finetune_grid --search NAME` takes one of SEARCHES.
"""

from collections.abc import Callable

from scaling.specs import Choice, Range, Search, Task

RATE = Range(1e-3, 3e-1, log=True)
SPACE = {  # besides the rate
    "weight_decay": Range(0.0, 5e-3),
    "dropout": Range(0.0, 0.1),
    "label_smoothing": Range(0.0, 0.2),
}


def regularization(trials: int = 24, seed: int = 0, rates: tuple[float, ...] = ()) -> Search:
    """TPE over rate, weight decay, dropout and label smoothing; it learns from the task's own grid, tried first.

    It looks between the lowest and the highest of a grid's `rates`, without several of them in all of RATE.
    """
    rate = Range(min(rates), max(rates), log=True) if len(set(rates)) > 1 else RATE
    return Search((("base_lr", rate), *SPACE.items()), trials, "tpe", seed, generation=4)


def accuracy_for_cost(steps: tuple[int, ...], resolutions: tuple[int, ...], trials: int = 24, seed: int = 0) -> Search:
    """Dev accuracy against the FLOPs of the fine-tuning, by its rate, length and resolution; the Pareto set is kept."""
    space = (("base_lr", RATE), ("steps", Choice(steps)), ("resolution", Choice(resolutions)))
    return Search(space, trials, "nsga2", seed, objectives=("dev_top1", "flops"))


def _cost(task: Task, trials: int, seed: int) -> Search:
    """The task's own length and resolution, and less of both."""
    steps, resolution = task.steps, task.resolution
    shorter = tuple(dict.fromkeys(max(1, steps // part) for part in (4, 2, 1)))
    smaller = tuple(dict.fromkeys(max(1, resolution // part) for part in (2, 1)))
    return accuracy_for_cost(shorter, smaller, trials, seed)


SEARCHES: dict[str, Callable[[Task, int, int], Search]] = {  # of a task, by number of trials and seed
    "regularization": lambda task, trials, seed: regularization(trials, seed, task.base_lrs),
    "cost": _cost,
}

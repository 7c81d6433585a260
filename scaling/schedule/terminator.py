"""When a search ends before all its trials: Optuna's terminator, by the trials that have ended."""

import math
from collections.abc import Sequence
from functools import lru_cache

from scaling.schedule.sampler import Frozen, Values, experiments, study_of
from scaling.specs import Search, Setting, Task

FEWEST = 20  # trials, before which nothing can be said: Optuna's own number


def more_will_not_pay(task: Task, search: Search, ended: Sequence[tuple[Setting, Values]]) -> bool:
    """Whether a search is to end by these trials, by its `terminate`: a pure function of its arguments."""
    tried = tuple((setting, tuple(values.items())) for setting, values in ended if values)
    if search.terminate == "never" or len(tried) < FEWEST:
        return False
    return _ends(search, tried, _dev_images(task))


@lru_cache(maxsize=1024)
def _ends(search: Search, tried: Frozen, dev_images: float) -> bool:
    from optuna.terminator import BestValueStagnationEvaluator, RegretBoundEvaluator

    study = study_of(search, tried)
    trials = study.get_trials(deepcopy=False)
    with experiments():
        if search.terminate == "stagnation":
            return BestValueStagnationEvaluator(FEWEST).evaluate(trials, study.direction) < 0
        regret = RegretBoundEvaluator(seed=search.seed).evaluate(trials, study.direction)
    best = study.best_value
    return float(regret) < math.sqrt(max(best * (1 - best), 1 / dev_images) / dev_images)


def _dev_images(task: Task) -> float:
    """How many images a dev accuracy is of, at least one; of an official dev split the same share is taken."""
    return max(1.0, task.dev_fraction * (task.data.num_train or 0))

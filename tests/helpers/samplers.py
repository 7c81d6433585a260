"""Samplers as a user would bring them."""

from typing import Any

import optuna


class Climbing(optuna.samplers.RandomSampler):
    """Near the best so far, at a distance that shrinks with the trials that it has heard of: a state of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.heard = 0

    def after_trial(self, *arguments: Any) -> None:
        super().after_trial(*arguments)
        self.heard += 1

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        drawn = super().sample_independent(study, trial, name, distribution)
        best = [each.params[name] for each in study.best_trials if name in each.params]
        if not best or isinstance(drawn, str):
            return drawn
        return best[0] + (drawn - best[0]) / (1 + self.heard)


class Broken(optuna.samplers.RandomSampler):
    """Fails when it is asked."""

    def sample_independent(self, *arguments: Any) -> Any:
        raise RuntimeError("two\nlines")


def none() -> str:
    return "sampler"

"""Which settings a search tries next: Optuna's samplers, asked for a generation at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from scaling.flops import transfer_flops
from scaling.randomness import hashed
from scaling.specs import Choice, Distribution, Range, Search, Setting, Transfer, parameters_of, with_parameters

if TYPE_CHECKING:  # Optuna takes half a second to import, and most studies search a grid
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Result:
    """How far a trial is, and how good. Accuracies are fractions in [0, 1]."""

    steps: int  # optimizer steps that are done
    dev_top1: float
    dev_loss: float
    history: tuple[tuple[int, float], ...] = ()  # (steps, dev accuracy) at each of its rungs


Results = Mapping[str, Result | None]  # by the trial's id; None: it diverged, as it would every time
RESULT_COLUMNS = ("steps_done", "dev_top1", "dev_loss", "rung_steps", "rung_dev_top1")  # of a trial's row


def result_of(row: Mapping[str, Any]) -> Result | None:
    """The result in a row of the table `trial`, given its RESULT_COLUMNS; None for an accuracy that is no number."""
    if row["dev_top1"] is None or not isfinite(row["dev_top1"]):  # in no order with the others: as if it had diverged
        return None
    history = tuple(zip(row["rung_steps"] or (), row["rung_dev_top1"] or (), strict=True))  # null in version 1
    return Result(row["steps_done"], row["dev_top1"], row["dev_loss"], history)


def objectives(transfer: Transfer, result: Result) -> dict[str, float]:
    """A trial's values: dev accuracy, to be raised, and the FLOPs of the whole fine-tuning, to be lowered."""
    return {"dev_top1": result.dev_top1, "flops": float(transfer_flops(transfer, valid=True))}


def propose_settings(
    search: Search, own: Setting, first: int, size: int, ended: Sequence[tuple[Setting, Mapping[str, float]]]
) -> list[Setting]:
    """The next generation of a search: a pure function of its arguments.

    Args:
        search: the space and the sampler.
        own: the task's own setting; the parameters of the space are changed in it.
        first: number of the generation's first trial, from 0.
        size: how many settings to propose.
        ended: settings that were tried, with their values by objective.

    Returns:
        `size` settings, which may repeat earlier ones.
    """
    import optuna

    # A new sampler each time, seeded by `first`: its state is then that of a function of what ended, where a sampler
    # that was kept would depend on how often the search was stopped.

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: optuna_distribution(values) for name, values in search.space}
    study = optuna.create_study(
        directions=["minimize" if objective == "flops" else "maximize" for objective in search.objectives],
        # NumPy's seeds, which Optuna uses, have 32 bits.
        sampler=_sampler(search, hashed(search.seed, first) % 2**32),
    )
    for setting, results in ended:
        params = parameters_of(setting, search.names)
        if all(_is_within(values, params[name]) for name, values in search.space):  # the grid may reach further
            targets = [results[objective] for objective in search.objectives]
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, values=targets))
    return [with_parameters(own, study.ask(fixed_distributions=space).params) for _ in range(size)]


def optuna_distribution(distribution: Distribution) -> "BaseDistribution":
    """A Range or Choice as a distribution of Optuna's."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match distribution:
        case Choice(values):
            return CategoricalDistribution(values)
        case Range(int(low), int(high), log):
            return IntDistribution(low, high, log=log)
        case Range(low, high, log):
            return FloatDistribution(low, high, log=log)


def _sampler(search: Search, seed: int) -> "BaseSampler":
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    match search.sampler:
        case "tpe":  # multivariate: the best learning rate depends on the other parameters
            # constant_liar: a generation is asked for at once, and its settings would crowd around one point without it
            return TPESampler(seed=seed, n_startup_trials=search.generation, multivariate=True, constant_liar=True)
        case "nsga2":
            return NSGAIISampler(seed=seed, population_size=search.generation)
    return RandomSampler(seed=seed)


def _is_within(distribution: Distribution, value: float | str) -> bool:
    if isinstance(distribution, Choice):
        return value in distribution.values
    return not isinstance(value, str) and distribution.low <= value <= distribution.high

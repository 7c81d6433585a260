"""What a learning search tries next: Optuna's samplers, asked for a generation at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling.flops import transfer_flops
from scaling.randomness import hashed
from scaling.specs import Choice, Distribution, Range, Search, Setting, Transfer, parameters_of, with_parameters

if TYPE_CHECKING:  # Optuna takes half a second to import, and most studies search by a grid
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Result:
    """How a trial stands after `steps` steps. `history`: the dev accuracy at each of its rungs, by steps."""

    steps: int
    dev_top1: float
    dev_loss: float
    history: tuple[tuple[int, float], ...] = ()


Results = Mapping[str, Result | None]  # by the trial's id; None: it diverges every time
RESULT_COLUMNS = (
    "steps_done",
    "dev_top1",
    "dev_loss",
    "rung_steps",
    "rung_dev_top1",
)  # what it is made of in a trial's row


def result_of(row: Mapping[str, Any]) -> Result:
    """A trial's row as its search reads it."""
    history = tuple(zip(row["rung_steps"] or (), row["rung_dev_top1"] or (), strict=True))  # null in version 1
    return Result(row["steps_done"], row["dev_top1"], row["dev_loss"], history)


def objectives(transfer: Transfer, result: Result) -> dict[str, float]:
    """A trial's values: dev accuracy, to be raised, and the FLOPs of the whole fine-tuning, to be lowered."""
    return {"dev_top1": result.dev_top1, "flops": float(transfer_flops(transfer, valid=True))}


def proposed(
    search: Search, own: Setting, first: int, size: int, known: Sequence[tuple[Setting, Mapping[str, float]]]
) -> list[Setting]:
    """Trials number `first` and on, `size` of them, from what is known: a pure function of its arguments.

    `own` is the task's setting, of which the space's parameters are changed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: optuna_distribution(what) for name, what in search.space}
    study = optuna.create_study(
        directions=["minimize" if objective == "flops" else "maximize" for objective in search.objectives],
        sampler=_sampler(search, hashed(search.seed, first) % 2**32),
    )
    for setting, values in known:
        params = parameters_of(setting, search.names)
        if all(_within(what, params[name]) for name, what in search.space):
            wished = [values[objective] for objective in search.objectives]
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, values=wished))
    return [with_parameters(own, study.ask(fixed_distributions=space).params) for _ in range(size)]


def optuna_distribution(what: Distribution) -> "BaseDistribution":
    """The same as Optuna knows it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match what:
        case Choice(values):
            return CategoricalDistribution(values)
        case Range(int(low), int(high), log):
            return IntDistribution(low, high, log=log)
        case Range(low, high, log):
            return FloatDistribution(low, high, log=log)


def _sampler(search: Search, seed: int) -> "BaseSampler":
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    match search.sampler:
        case "tpe":  # multivariate: the best rate depends on the other parameters
            return TPESampler(seed=seed, n_startup_trials=search.generation, multivariate=True, constant_liar=True)
        case "nsga2":
            return NSGAIISampler(seed=seed, population_size=search.generation)
    return RandomSampler(seed=seed)


def _within(what: Distribution, value: float | str) -> bool:
    if isinstance(what, Choice):
        return value in what.values
    return not isinstance(value, str) and what.low <= value <= what.high

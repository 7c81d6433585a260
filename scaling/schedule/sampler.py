"""Which settings a search tries next: Optuna's samplers, asked for a generation at a time."""

import contextlib
import inspect
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from scaling.checks import check, named_error, short
from scaling.flops import transfer_flops
from scaling.randomness import hashed
from scaling.specs import (
    Choice,
    Distribution,
    Range,
    Sampler,
    Search,
    Setting,
    Transfer,
    named_function,
    parameters_of,
    with_parameters,
)

if TYPE_CHECKING:  # Optuna takes half a second to import, and most studies search a grid
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

SEEDS = 2**32  # NumPy's seeds, which Optuna uses, have 32 bits
HUB = "optunahub:"


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


Values = Mapping[str, float]  # of a trial by objective; none of one that diverged, or costs too much to be tried
Ended = Sequence[tuple[Setting, Values]]


def propose_settings(search: Search, own: Setting, first: int, size: int, fixed: Ended, ended: Ended) -> list[Setting]:
    """The next generation of a search: a pure function of its arguments.

    Args:
        search: the space and the sampler.
        own: the task's own setting; the parameters of the space are changed in it.
        first: number of the generation's first trial, from 0.
        size: how many settings to propose.
        fixed: settings that were tried before the search, such as a grid's.
        ended: proposals of earlier generations.

    Returns:
        `size` settings, which may repeat earlier ones. Raises ValueError, in one line, when a `Sampler` fails.
    """
    frozen = [tuple((setting, tuple(values.items())) for setting, values in part) for part in (fixed, ended)]
    return list(_proposed(search, own, first, size, *frozen))


Frozen = tuple[tuple[Setting, tuple[tuple[str, float], ...]], ...]  # Ended


@lru_cache(maxsize=4096)  # a driver asks for the same generations again and again
def _proposed(search: Search, own: Setting, first: int, size: int, fixed: Frozen, ended: Frozen) -> tuple[Setting, ...]:
    if isinstance(search.sampler, Sampler):
        try:
            return tuple(_replayed(search, search.sampler, own, first, size, fixed, dict(ended)))
        except Exception as error:  # of any code of the user's
            raise ValueError(f"Sampler {search.sampler.path} proposes no settings: {named_error(error)}") from error
    # A new sampler each time, seeded by `first`: its state is then that of a function of what ended, where a sampler
    # that was kept would depend on how often the search was stopped.
    study = study_of(search, fixed + ended, _sampler(search, hashed(search.seed, first) % SEEDS))
    return tuple(_asked(study, search, own)[1] for _ in range(size))


def _replayed(
    search: Search,
    sampler: Sampler,
    own: Setting,
    first: int,
    size: int,
    fixed: Frozen,
    ended: Mapping[Setting, tuple[tuple[str, float], ...]],
) -> list[Setting]:
    """The proposals of a sampler that may keep a state of its own: the search is done once more, from its start."""
    import optuna

    study = study_of(search, fixed, make_sampler(sampler, search.seed % SEEDS))
    for start in range(0, first, search.generation):
        generation = [_asked(study, search, own) for _ in range(min(search.generation, first - start))]
        for trial, setting in generation:
            values = dict(ended.get(setting, ()))
            targets = [values[objective] for objective in search.objectives] if values else None
            study.tell(trial, targets, state=None if values else optuna.trial.TrialState.FAIL)
    return [_asked(study, search, own)[1] for _ in range(size)]


def _asked(study: "optuna.Study", search: Search, own: Setting) -> tuple["optuna.Trial", Setting]:
    trial = study.ask(fixed_distributions=_space(search))
    return trial, with_parameters(own, trial.params)


def study_of(search: Search, ended: Frozen, sampler: "BaseSampler | None" = None) -> "optuna.Study":
    """A study of Optuna's, in memory, with the trials that have values."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=["minimize" if objective == "flops" else "maximize" for objective in search.objectives],
        sampler=sampler,
    )
    for setting, pairs in ended:
        params, values = parameters_of(setting, search.names), dict(pairs)
        # the grid may reach further
        if values and all(_is_within(distribution, params[name]) for name, distribution in search.space):
            targets = [values[objective] for objective in search.objectives]
            study.add_trial(optuna.trial.create_trial(params=params, distributions=_space(search), values=targets))
    return study


def _space(search: Search) -> "dict[str, BaseDistribution]":
    return {name: optuna_distribution(values) for name, values in search.space}


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


def make_sampler(sampler: Sampler, seed: int) -> "BaseSampler":
    """Optuna's, the hub's or the user's. Raises ValueError, in one line, for what is no sampler."""
    from optuna.samplers import BaseSampler

    make = _from_hub(sampler) if str(sampler.path).startswith(HUB) else named_function(sampler)
    options = dict(sampler.options)
    if "seed" in inspect.signature(make).parameters:
        options.setdefault("seed", seed)
    try:
        with experiments():
            made: BaseSampler = make(**options)
    except Exception as error:  # of any code of the user's
        raise ValueError(f"Sampler {sampler.path} cannot be made: {named_error(error)}") from error
    check(isinstance(made, BaseSampler), f"Sampler {sampler.path} must make a sampler of Optuna's, not {short(made)}")
    return made


@contextlib.contextmanager
def experiments() -> Iterator[None]:
    """Without Optuna's warnings that an interface of its is experimental: its version is pinned."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _from_hub(sampler: Sampler) -> Any:
    """A sampler of Optuna's hub: AutoSampler is in its package samplers/auto_sampler."""
    name = str(sampler.path).removeprefix(HUB)
    try:
        import optunahub  # here: it is no dependency

        package = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(optunahub.load_module(f"samplers/{package}"), name)
    except Exception as error:
        raise ValueError(
            f"Sampler {sampler.path} cannot be loaded: {named_error(error)}: pip install optunahub"
        ) from None


def check_sampler(search: Search) -> None:
    """Raise ValueError unless the search's sampler can be made, and proposes a setting of its space."""
    if isinstance(search.sampler, Sampler):
        study = study_of(search, (), make_sampler(search.sampler, search.seed % SEEDS))
        try:
            study.ask(fixed_distributions=_space(search))
        except Exception as error:  # of any code of the user's
            raise ValueError(f"Sampler {search.sampler.path} proposes no settings: {named_error(error)}") from error


def _is_within(distribution: Distribution, value: float | str) -> bool:
    if isinstance(distribution, Choice):
        return value in distribution.values
    return not isinstance(value, str) and distribution.low <= value <= distribution.high

"""The searches as Optuna studies, for people to watch in optuna-dashboard. A mirror: nothing is ever read from it."""

from collections.abc import Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from scaling.candidates import Pair, fixed, searched
from scaling.proposals import Result, Results, objectives
from scaling.search import Choice, parameters_of
from scaling.specs import Transfer
from scaling.storage import Storage

FILE = "optuna.db"


def default_url(storage: Storage) -> str | None:
    """SQLite in a local storage, nothing on an object store."""
    return f"sqlite:///{storage.path(FILE)}" if storage.local is not None else None


class Mirror:
    """Optuna studies of some pairs, in the storage of a URL as Optuna knows it, or nowhere.

    They are made anew from what is known at the start, so the storage may be deleted between any two runs. Raises
    ValueError when it cannot be opened.
    """

    def __init__(self, url: str | None, pairs: Sequence[Pair], known: Results) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._studies: dict[Pair, optuna.Study] = {}
        self._running: dict[str, optuna.Trial] = {}
        if url is None or not pairs:
            return
        try:
            storage = optuna.storages.get_storage(url)
        except Exception as error:  # of any driver
            raise ValueError(f"cannot open the Optuna storage {url}: {str(error).splitlines()[0]}") from None
        there = set(optuna.get_all_study_names(storage))
        for pair in pairs:
            if _name(pair) in there:
                optuna.delete_study(study_name=_name(pair), storage=storage)
            study = optuna.create_study(study_name=_name(pair), storage=storage, directions=_directions(pair))
            study.add_trials(_frozen(pair, known))
            self._studies[pair] = study

    def begin(self, pair: Pair, transfer: Transfer) -> None:
        """The trial runs; one that was paused goes on."""
        study = self._studies.get(pair)
        if study is None or transfer.id in self._running:
            return
        space = _space(pair)
        study.enqueue_trial(parameters_of(transfer.setting, space), user_attrs={"trial_id": transfer.id})
        self._running[transfer.id] = study.ask(space)

    def end(self, pair: Pair, transfer: Transfer, result: Result | None) -> None:
        """The trial is through or pauses at a rung; None: it diverged."""
        trial = self._running.get(transfer.id)
        if trial is None:
            return
        if result is None:
            self._studies[pair].tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            if pair.task.halving is not None:
                trial.report(result.dev_top1, result.steps)
            if result.steps < transfer.steps:
                return
            self._studies[pair].tell(trial, _values(pair, transfer, result))
        del self._running[transfer.id]


def _name(pair: Pair) -> str:
    return f"{pair.upstream.name} on {pair.task.name} ({pair.upstream.id[:6]}-{pair.task.id[:6]})"


def _directions(pair: Pair) -> list[Literal["maximize", "minimize"]]:
    search = pair.task.search
    return ["maximize", "minimize"] if search is not None and len(search.objectives) > 1 else ["maximize"]


def _values(pair: Pair, transfer: Transfer, result: Result) -> list[float]:
    return list(objectives(transfer, result).values())[: len(_directions(pair))]


def _space(pair: Pair) -> dict[str, BaseDistribution]:
    """The search's space, and the rates of a grid, widened to hold every setting that is tried anyway."""
    search = pair.task.search
    dims = dict(search.space) if search is not None else {}
    space: dict[str, BaseDistribution] = {}
    for name in dict.fromkeys(["base_lr", *dims]):
        values: list[Any] = [parameters_of(setting, [name])[name] for setting in fixed(pair)]
        what = dims.get(name)
        if isinstance(what, Choice):
            space[name] = CategoricalDistribution(list(dict.fromkeys([*what.values, *values])))
            continue
        if what is not None:
            values += [what.low, what.high]
            log = what.log and min(values) > 0
        else:
            log = True
        space[name] = FloatDistribution(float(min(values)), float(max(values)), log=log)
    return space


def _frozen(pair: Pair, known: Results) -> list[optuna.trial.FrozenTrial]:
    """The trials that have ended, as Optuna keeps them."""
    space, trials = _space(pair), []
    for setting in searched(pair, known)[0]:
        transfer = pair.dev(setting)
        result = known.get(transfer.id)
        if result is not None and result.steps == transfer.steps:
            trials.append(
                optuna.trial.create_trial(
                    params=parameters_of(setting, space),
                    distributions=space,
                    values=_values(pair, transfer, result),
                    intermediate_values=dict(result.history) if pair.task.halving else {},
                    user_attrs={"trial_id": transfer.id},
                )
            )
    return trials

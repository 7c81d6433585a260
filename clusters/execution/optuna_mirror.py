"""The searches as Optuna studies, for people to watch in optuna-dashboard. A mirror: nothing is ever read from it."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import optuna
import ray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.pool import QueuePool

from clusters.execution.shutdown import driver_actor
from scaling.console import first_line, helping
from scaling.schedule import Pair, Result, Results, fixed_settings, known_settings, objectives
from scaling.specs import Choice, Setting, Transfer, parameters_of
from scaling.store import Storage, without_secrets

FILE = "optuna.db"
CLOSE_SECONDS = 300.0  # that the last news may take: a hung database holds up no study

# A pair's number, a trial's setting, and that it began or how it ended; None: it diverged.
News = tuple[int, Setting, Result | Literal["begun"] | None]
Tell = Callable[[Sequence[News]], None]  # what a sweep calls with its news


def check_mirror(url: str | None) -> None:
    """Raise ValueError when a storage that the user named for Optuna cannot be opened: said before anything trains."""
    if url is not None:
        opened(url)


def opened(place: str | Path) -> Any:
    """Optuna's storage in a SQLite file, or at a URL that a user gave. Raises ValueError when it cannot be opened."""
    try:
        if isinstance(place, Path):  # by its path, since a URL of Optuna's gives {, %, ? and # meanings of their own
            connect = partial(sqlite3.connect, place, check_same_thread=False)
            return optuna.storages.RDBStorage("sqlite://", engine_kwargs={"creator": connect, "poolclass": QueuePool})
        # Optuna fills in its version where braces are: a URL's own are doubled
        return optuna.storages.get_storage(place.replace("{", "{{").replace("}", "}}"))
    except Exception as error:  # of any driver
        shown = place if isinstance(place, Path) else without_secrets(place)
        raise ValueError(f"cannot open the Optuna storage {shown}: {first_line(error)}") from None


@contextlib.contextmanager
def mirrored(url: str | None, storage: Storage, pairs: Sequence[Pair], known: Results) -> Iterator[Tell | None]:
    """A function that takes a sweep's news to a `Mirror`, which has written them all when the block ends.

    None when there is nowhere to write: SQLite in a local storage, nothing on an object store, unless the user named
    one. The mirror is a process of its own on this machine, because Optuna's SQL would cost the sweep's driver more
    time than Tune itself. It starts with the first news. What goes wrong in it is a warning at the end.
    """
    address = url or (storage.local / FILE if storage.local is not None else None)
    if address is None or not pairs:
        yield None
        return

    @cache
    def mirror() -> Any:
        actor = driver_actor(Mirror, address, pairs)
        actor.give_way.remote()
        actor.begin.remote(known)
        return actor

    def tell(news: Sequence[News]) -> None:
        # Nobody waits for the answer: however slow the mirror is, no trial is.
        with contextlib.suppress(Exception):  # said at the end
            mirror().tell.remote(news)

    try:
        yield tell
        with helping("the searches are not shown in Optuna"):
            error = ray.get(mirror().close.remote(), timeout=CLOSE_SECONDS)
            if error is not None:
                raise RuntimeError(error)
    finally:
        if mirror.cache_info().currsize:
            ray.kill(mirror())


class Mirror:
    """Optuna studies of some pairs, in the storage at a URL of Optuna's. Pairs are named by their numbers.

    They are made anew from the known results at every start, so the storage may be deleted between any two runs.
    """

    def __init__(self, place: str | Path, pairs: Sequence[Pair]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._place, self._pairs = place, pairs
        self._error: str | None = None  # the first: after it nothing more is written
        self._spaces = [_space(pair) for pair in pairs]
        self._studies: list[optuna.Study] = []
        self._running: dict[tuple[int, Setting], optuna.Trial] = {}

    def give_way(self) -> None:
        """Lower this process's priority: its SQL takes CPUs from trials, and nothing waits for it before the end."""
        os.nice(19)

    def begin(self, known: Results) -> None:
        """Write the known results, as `open` does; an error is kept for `close`."""
        self._safely(lambda: self.open(known))

    def tell(self, news: Sequence[News]) -> None:
        """Write what happened since the last call; after an error nothing."""
        self._safely(lambda: self.write(news))

    def close(self) -> str | None:
        """The first error, if there was one. An actor serves its calls in order: all earlier news are written."""
        return self._error

    def _safely(self, work: Callable[[], None]) -> None:
        if self._error is None:
            try:
                work()
            except Exception as error:
                self._error = first_line(error)

    def open(self, known: Results) -> None:
        """Write the known results. A file of ours that is damaged, or none of Optuna's, is made anew."""
        try:
            self._write_known(known)
        except Exception:
            if not isinstance(self._place, Path):
                raise
            _remove(self._place)  # nothing is read from it
            self._write_known(known)

    def _write_known(self, known: Results) -> None:
        storage = opened(self._place)
        self._studies = []
        existing = set(optuna.get_all_study_names(storage))
        for pair, space in zip(self._pairs, self._spaces, strict=True):
            if _name(pair) in existing:
                optuna.delete_study(study_name=_name(pair), storage=storage)
            study = optuna.create_study(study_name=_name(pair), storage=storage, directions=_directions(pair))
            study.add_trials(_frozen(pair, space, known))
            self._studies.append(study)

    def write(self, news: Sequence[News]) -> None:
        """Write what happened since the last call, in the order in which it happened.

        A trial that both began and ended is written as a whole, with a quarter of the SQL.
        """
        fresh: dict[tuple[int, Setting], None] = {}
        for number, setting, event in news:
            key = number, setting
            if event == "begun":
                if key not in self._running:
                    fresh[key] = None
            elif key in fresh and (event is None or event.steps == setting.steps):
                del fresh[key]
                self._studies[number].add_trial(_ended(self._pairs[number], self._spaces[number], setting, event))
            else:
                if key in fresh:
                    del fresh[key]
                    self._begin(number, setting)
                self._end(number, setting, event)
        for number, setting in fresh:
            self._begin(number, setting)

    def _begin(self, number: int, setting: Setting) -> None:
        study, space = self._studies[number], self._spaces[number]
        trial_id = self._pairs[number].dev(setting).id
        # Enqueued and then asked for, which makes Optuna begin a trial at these parameters.
        study.enqueue_trial(parameters_of(setting, space), user_attrs={"trial_id": trial_id})
        self._running[number, setting] = study.ask(space)

    def _end(self, number: int, setting: Setting, result: Result | None) -> None:
        """The trial has ended or pauses at a rung; None: it diverged."""
        trial = self._running.get((number, setting))
        if trial is None:
            return
        pair, study = self._pairs[number], self._studies[number]
        if result is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            if pair.task.halving is not None:
                trial.report(result.dev_top1, result.steps)
            if result.steps < setting.steps:
                return
            study.tell(trial, _values(pair, pair.dev(setting), result))
        del self._running[number, setting]


def _remove(file: Path) -> None:
    """A SQLite file with its journals, or what stands in its place."""
    for each in (file, *(file.with_name(file.name + end) for end in ("-journal", "-wal", "-shm"))):
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink(missing_ok=True)


def _name(pair: Pair) -> str:
    return f"{pair.upstream.name} on {pair.task.name} ({pair.upstream.id[:6]}-{pair.task.id[:6]})"


def _directions(pair: Pair) -> list[Literal["maximize", "minimize"]]:
    search = pair.task.search
    return ["maximize", "minimize"] if search is not None and len(search.objectives) > 1 else ["maximize"]


def _values(pair: Pair, transfer: Transfer, result: Result) -> list[float]:
    return list(objectives(transfer, result).values())[: len(_directions(pair))]


def _space(pair: Pair) -> dict[str, BaseDistribution]:
    """The search's space and the grid's learning rates, widened to hold every setting that is tried in any case."""
    search = pair.task.search
    dims = dict(search.space) if search is not None else {}
    space: dict[str, BaseDistribution] = {}
    for name in dict.fromkeys(["base_lr", *dims]):
        values: list[Any] = [parameters_of(setting, [name])[name] for setting in fixed_settings(pair)]
        dim = dims.get(name)
        if isinstance(dim, Choice):
            space[name] = CategoricalDistribution(list(dict.fromkeys([*dim.values, *values])))
            continue
        if dim is not None:
            values += [dim.low, dim.high]
            # A setting of the grid may be 0, which has no place on a logarithmic scale.
            log = dim.log and min(values) > 0
        else:
            log = True
        # From the lowest to the highest value, as Optuna refuses a trial outside its distribution.
        space[name] = FloatDistribution(float(min(values)), float(max(values)), log=log)
    return space


def _frozen(pair: Pair, space: dict[str, BaseDistribution], known: Results) -> list[FrozenTrial]:
    """The trials that have ended, in Optuna's form."""
    results = {setting: known.get(pair.dev(setting).id) for setting in known_settings(pair, known)[0]}
    return [
        _ended(pair, space, setting, result)
        for setting, result in results.items()
        if result is not None and result.steps == setting.steps
    ]


def _ended(pair: Pair, space: dict[str, BaseDistribution], setting: Setting, result: Result | None) -> FrozenTrial:
    transfer = pair.dev(setting)
    return create_trial(
        state=TrialState.FAIL if result is None else TrialState.COMPLETE,
        params=parameters_of(setting, space),
        distributions=space,
        values=None if result is None else _values(pair, transfer, result),
        intermediate_values=dict(result.history) if result is not None and pair.task.halving else {},
        user_attrs={"trial_id": transfer.id},
    )

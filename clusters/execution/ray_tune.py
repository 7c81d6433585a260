"""Searches on Ray Tune, and the units that need no search as plain Ray tasks.

Tune runs the trials; `scaling.schedule.trials` says which ones there are, from the rows. Tune's own OptunaSearch would
hold one search a sweep, in a state of its own; here many go side by side, and none is lost with the process.
"""

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.tune.search.searcher import Searcher

from clusters.execution.optuna_mirror import News, Tell
from clusters.execution.placement import Placement
from clusters.execution.queue import RESTARTS
from clusters.execution.shutdown import Flag, driver_actor, run_concurrently
from clusters.execution.trials import Checkpoints, Do, config_of, do_unit, result_in
from clusters.execution.tune_actor import trial
from clusters.execution.work import Work
from scaling.schedule import Pair, Result, Trial, due_trials
from scaling.specs import Pretrain, Probe, Transfer
from scaling.store import Storage
from scaling.training import TrainingInterruptedError

TELL_SECONDS = 2.0  # between two news for Optuna: a shorter trial goes in as a whole, which costs less
FIRST_SECONDS = 30.0  # to the first news, where no trial ends before: the mirror's start would slow that of the actors
Done = Callable[[Transfer | Probe, str], None]  # called with a unit and its error, '' when it succeeded
Follow = Callable[[Mapping[str, int]], None]  # called with the steps that units have done, by id


def sweep(
    pairs: Sequence[Pair],
    known: Mapping[str, Result | None],
    *,
    checkpoints: Checkpoints,
    mirror: Tell | None,
    storage: Storage,
    study: str,
    placement: Placement,
    done: Done,
    follow: Follow | None = None,
    do: Do | None = None,
) -> None:
    """Run the dev trials that the searches of all pairs call for, and leave their rows.

    A failed trial leaves its attempt row and no trial row, and is not tried again in this sweep; one whose machine was
    lost is, up to RESTARTS times. `do` stands in for doing a trial, in a benchmark. `mirror` is of `mirrored`.
    """
    feed = _Feed(pairs, known, done)
    flag = driver_actor(Flag)
    job = {
        "pairs": pairs,
        "checkpoints": checkpoints,
        "do": do or do_unit,
        "storage": storage,
        "study": study,
        "placement": placement,
        "flag": flag,
    }
    cache = tempfile.mkdtemp(prefix="sweep-")
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, job=cloudpickle.dumps(job)), placement.trial_resources),
        tune_config=tune.TuneConfig(
            search_alg=feed, num_samples=-1, max_concurrent_trials=placement.slots, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="sweep", storage_path=cache, verbose=0, failure_config=tune.FailureConfig(max_failures=RESTARTS)
        ),
    )

    def stop() -> None:
        feed.stopped = True
        flag.stop.remote()

    def watch() -> None:
        feed.tell(mirror, TELL_SECONDS if feed.ended else FIRST_SECONDS)
        _watch(flag, follow)

    try:
        errors = run_concurrently([tuner.fit], stop=stop, watch=watch)
        feed.tell(mirror)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        ray.kill(flag)
    if errors:
        raise errors[0]


class _Feed(Searcher):
    """Hands Tune the next trial that a search calls for, and tells the search how it ended."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        known: Mapping[str, Result | None],
        done: Done,
    ) -> None:
        super().__init__()
        self._pairs, self._known, self._done = pairs, dict(known), done
        self._given: set[tuple[str, int]] = set()  # keys of trials that ran, are at work or failed
        self._at: dict[str, tuple[int, Trial]] = {}  # by Tune's id
        self._ahead = [self._next(pair) for pair in pairs]
        self._news: deque[News] = deque()  # what began and ended and the mirror has not heard
        self._told = time.monotonic()
        self.stopped = False  # no more trials
        self.ended = False  # one of them

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        for number, ahead in enumerate(self._ahead):
            if ahead and not self.stopped:
                trial = ahead.popleft()
                self._given.add(trial.key)
                self._at[trial_id] = number, trial
                self._news.append((number, trial.transfer.setting, "begun"))
                return config_of(number, trial)
        return None if self._at else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.ended = True
        number, trial = self._at.pop(trial_id)
        if self.stopped:
            return
        reason = "its worker died" if error or result is None else result["error"]
        if result is not None and not error and not result["failed"]:
            pair, found = self._pairs[number], result_in(result)
            self._known[trial.transfer.id] = found
            learns = pair.task.search is not None and pair.task.search.learns
            if pair.task.halving is not None or (learns and not self._ahead[number]):  # else nothing new can be wanted
                self._ahead[number] = self._next(pair)
            self._news.append((number, trial.transfer.setting, found))
        self._done(trial.transfer, reason)

    def tell(self, mirror: Tell | None, every: float = 0.0) -> None:
        """Send the mirror its news, at most once in so many seconds."""
        if mirror is not None and time.monotonic() - self._told >= every:
            self._told = time.monotonic()
            mirror([self._news.popleft() for _ in range(len(self._news))])

    def _next(self, pair: Pair) -> deque[Trial]:
        return deque(trial for trial in due_trials(pair, self._known)[0] if trial.key not in self._given)

    def save(self, checkpoint_path: str) -> None:
        """Tune saves its searcher for a restore, which rows replace."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None: ...

    def __getstate__(self) -> dict[str, Any]:
        return {}  # a console cannot be pickled


def run_all(
    units: Sequence[Work],
    *,
    storage: Storage,
    study: str,
    placement: Placement,
    done: Done,
    follow: Follow | None = None,
) -> None:
    """Run final fine-tunings and few-shot probes side by side, and leave their rows; a failure stops no other."""
    resources = placement.trial_resources
    flag = driver_actor(Flag)
    task = ray.remote(do_unit).options(
        num_cpus=resources["CPU"],
        num_gpus=resources.get("GPU", 0),
        resources={kind: number for kind, number in resources.items() if kind == "TPU"},
    )
    ahead = deque(units)

    def stop() -> None:
        ahead.clear()
        flag.stop.remote()

    def work() -> None:
        waiting: dict[Any, Transfer | Probe] = {}
        while ahead or waiting:
            while len(waiting) < placement.slots and ahead:
                each = ahead.popleft()
                assert not isinstance(each.unit, Pretrain)
                waiting[task.remote(each, storage, study, placement, flag)] = each.unit
            (ready, *_), _ = ray.wait(list(waiting))
            unit = waiting.pop(ready)
            try:
                ray.get(ready)
                done(unit, "")
            except TrainingInterruptedError:  # as it was told: it failed at nothing
                continue
            except ray.exceptions.RayError as error:
                done(unit, str(error).strip().splitlines()[-1])

    errors = run_concurrently([work], stop=stop, watch=lambda: _watch(flag, follow))
    ray.kill(flag)
    if errors:
        raise errors[0]


def _watch(flag: Any, follow: Follow | None) -> None:
    """What the driver does while it waits: tell how far the units are, where somebody follows them."""
    if follow is not None:
        follow(ray.get(flag.steps.remote()))

"""Searches on Ray Tune, and the units that need no search as plain Ray tasks.

Tune runs the trials; `scaling.schedule` decides from the rows which trials there are. Tune's own OptunaSearch would
hold one search per sweep, in a state of its own; here many searches share a sweep, and none is lost with the process.
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
from ray.tune.execution import class_cache
from ray.tune.search.searcher import Searcher

from clusters.execution.optuna_mirror import News, Tell
from clusters.execution.placement import Placement
from clusters.execution.queue import RESTARTS
from clusters.execution.shutdown import Flag, attend, driver_actor, run_concurrently
from clusters.execution.trials import Checkpoints, Do, Sweep, config_of, do_alone, do_unit, result_in
from clusters.execution.tune_actor import trial
from clusters.execution.work import Work
from scaling.schedule import Pair, Result, Trial, due_trials
from scaling.specs import EvaluationRun, Pretrain, Probe, Transfer
from scaling.store import Storage
from scaling.training import TrainingInterruptedError

TELL_SECONDS = 2.0  # between two messages to the mirror: a trial that is shorter goes in as a whole, which costs less
# Tune would put the values of these into its actors' descriptions, which Ray writes into its logs. Actors have them
# from the environment of their machine, as all other workers have.
class_cache.ENV_VARS_TO_PROPAGATE -= {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
FIRST_SECONDS = 30.0  # to the first message, if no trial ends before: the mirror's start would slow the actors' start
Done = Callable[[Transfer | Probe | EvaluationRun, str], None]  # called with a unit and its error, '' when it succeeded
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
    lost is tried again, up to RESTARTS times. `do` replaces `do_unit` in a benchmark. `mirror` comes from `mirrored`.
    """
    feed = _Feed(pairs, known, done)
    flag = driver_actor(Flag)
    common = Sweep(pairs, checkpoints, do or do_unit, storage, study, placement, flag)
    # On this machine's disk: Tune wants a place for files of its own, which nobody reads.
    cache = tempfile.mkdtemp(prefix="sweep-")
    # The job goes as bytes: actors unpickle it with their first trial, not while they start (see `tune_actor`).
    # Actors are reused: a trial of a second takes 0.6 s beside its own time, a new actor for each would take 6 s.
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, job=cloudpickle.dumps(common)), placement.trial_resources),
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
        _watch(flag, follow, placement, storage)

    try:
        errors = run_concurrently([tuner.fit], stop=stop, watch=watch, beat=lambda: ray.get(flag.beat.remote()))
        watch()
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
        self._started: set[tuple[str, int]] = set()  # keys of trials that ran, are running or failed
        self._running: dict[str, tuple[int, Trial]] = {}  # a pair's number and its trial, by Tune's id
        self._ahead = [self._next(pair) for pair in pairs]
        self._news: deque[News] = deque()  # what began and ended since the last message to the mirror
        self._told = time.monotonic()  # when that message was sent
        self.stopped = False  # hand out no more trials
        self.ended = False  # at least one trial has ended

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        for number, ahead in enumerate(self._ahead):
            if ahead and not self.stopped:
                trial = ahead.popleft()
                self._started.add(trial.key)
                self._running[trial_id] = number, trial
                self._news.append((number, trial.transfer.setting, "begun"))
                return config_of(number, trial)
        # None: ask again, since a trial that is running may call for others when it ends.
        return None if self._running else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.ended = True
        number, trial = self._running.pop(trial_id)
        if self.stopped:
            return
        reason = "its worker died" if error or result is None else result["error"]
        if result is not None and not error and not result["failed"]:
            pair, outcome = self._pairs[number], result_in(result)
            self._known[trial.transfer.id] = outcome
            learns = pair.task.search is not None and pair.task.search.learns
            # Asked only where the answer can have changed: to ask after each trial of a long grid would be quadratic.
            if pair.task.halving is not None or (learns and not self._ahead[number]):
                self._ahead[number] = self._next(pair)
            self._news.append((number, trial.transfer.setting, outcome))
        self._done(trial.transfer, reason)

    def tell(self, mirror: Tell | None, every: float = 0.0) -> None:
        """Send the mirror what has happened, unless it was told less than `every` seconds ago."""
        if mirror is not None and time.monotonic() - self._told >= every:
            self._told = time.monotonic()
            mirror([self._news.popleft() for _ in range(len(self._news))])

    def _next(self, pair: Pair) -> deque[Trial]:
        return deque(trial for trial in due_trials(pair, self._known)[0] if trial.key not in self._started)

    def save(self, checkpoint_path: str) -> None:
        """Tune saves its searcher to restore it; here the rows serve for that."""
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
    """Run final fine-tunings, probes and evaluations, several at a time, and leave their rows; none stops another."""
    resources = placement.trial_resources
    flag = driver_actor(Flag)
    task = ray.remote(do_alone).options(
        num_cpus=resources["CPU"],
        num_gpus=resources.get("GPU", 0),
        resources={kind: number for kind, number in resources.items() if kind == "TPU"},
    )
    ahead = deque(units)

    def stop() -> None:
        ahead.clear()
        flag.stop.remote()

    def work() -> None:
        waiting: dict[Any, Transfer | Probe | EvaluationRun] = {}
        while ahead or waiting:
            while len(waiting) < placement.slots and ahead:
                each = ahead.popleft()
                assert not isinstance(each.unit, Pretrain)
                waiting[task.remote(each, storage, study, placement, flag)] = each.unit
            (ready, *_), _ = ray.wait(list(waiting))
            unit = waiting.pop(ready)
            try:
                # Raises the task's own error: what Ray raises is of that class too.
                ray.get(ready)
                done(unit, "")
            except TrainingInterruptedError:  # told to stop, which is no failure
                continue
            except ray.exceptions.RayError as error:
                done(unit, str(error).strip().splitlines()[-1])

    def watch() -> None:
        _watch(flag, follow, placement, storage)

    errors = run_concurrently([work], stop=stop, watch=watch, beat=lambda: ray.get(flag.beat.remote()))
    watch()
    ray.kill(flag)
    if errors:
        raise errors[0]


def _watch(flag: Any, follow: Follow | None, placement: Placement, storage: Storage) -> None:
    """What the driver does while it waits: attend to the workers, and show how far units are, where that is shown."""
    attend(flag, placement.machine.hang_seconds, storage)
    if follow is not None:
        follow(ray.get(flag.steps.remote()))

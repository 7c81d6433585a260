"""Searches on Ray Tune, and the units that need no search as plain Ray tasks.

Tune runs the trials; which ones there are is said by `scaling.candidates`, from the rows. Tune's own OptunaSearch would
hold one search a sweep, in a state of its own; here many go side by side, and none is lost with the process.
"""

import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search.searcher import Searcher

from clusters.grace import Flag, Line, together
from clusters.optuna_mirror import Mirror
from clusters.placement import Placement
from clusters.work import Work, perform
from scaling.candidates import Pair, Trial, wanted
from scaling.proposals import Result
from scaling.storage import Storage
from scaling.training.ledger import NonFiniteLossError, TrainingInterruptedError
from scaling.training.loop import SAVE_SECONDS
from scaling.units import result

Done = Callable[[str], None]  # called with a unit's error, '' when it succeeded
Checkpoints = Mapping[str, str | None]  # directory by id of the upstream


def sweep(
    pairs: Sequence[Pair],
    known: Mapping[str, Result | None],
    *,
    checkpoints: Checkpoints,
    mirror: Mirror,
    storage: Storage,
    study: str,
    placement: Placement,
    done: Done,
) -> None:
    """Run the dev trials that the searches of all pairs call for, and leave their rows.

    A failed trial leaves its attempt row and no trial row, and is not tried again in this sweep.
    """
    feed = _Feed(pairs, known, checkpoints, mirror, done)
    flag: Any = ray.remote(Flag).options(num_cpus=0).remote()
    cache = tempfile.mkdtemp(prefix="sweep-")
    tuner = tune.Tuner(
        tune.with_resources(
            partial(_trial, storage=storage, study=study, placement=placement, flag=flag), placement.trial_resources
        ),
        tune_config=tune.TuneConfig(
            search_alg=feed, num_samples=-1, max_concurrent_trials=placement.slots, reuse_actors=True
        ),
        run_config=tune.RunConfig(name="sweep", storage_path=cache, verbose=0),
    )

    def stop() -> None:
        feed.stopped = True
        flag.stop.remote()

    try:
        errors = together([tuner.fit], stop=stop)
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
        checkpoints: Checkpoints,
        mirror: Mirror,
        done: Done,
    ) -> None:
        super().__init__()
        self._pairs, self._known = pairs, dict(known)
        self._checkpoints, self._mirror, self._done = checkpoints, mirror, done
        self._todo = [wanted(pair, self._known)[0] for pair in pairs]
        self._given: set[Trial] = set()  # at work, or failed
        self._at: dict[str, tuple[int, Trial]] = {}  # by Tune's id
        self.stopped = False  # no more trials

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        for number, trials in enumerate(self._todo):
            for trial in trials:
                if trial not in self._given and not self.stopped:
                    self._given.add(trial)
                    self._at[trial_id] = number, trial
                    self._mirror.begin(self._pairs[number], trial.transfer)
                    checkpoint = self._checkpoints[trial.transfer.upstream.id]
                    return {"work": Work(trial.transfer, checkpoint, trial.until)}
        return None if self._at else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        number, trial = self._at.pop(trial_id)
        if self.stopped:
            return
        reason = "failed" if error or result is None else result["error"]
        if result is not None and not error:
            pair, self._known[trial.transfer.id] = self._pairs[number], result["result"]
            self._todo[number] = wanted(pair, self._known)[0]
            self._mirror.end(pair, trial.transfer, result["result"])
        self._done(reason)

    def save(self, checkpoint_path: str) -> None:
        """Tune saves its searcher for a restore, which rows replace."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None: ...

    def __getstate__(self) -> dict[str, Any]:
        return {}  # a console cannot be pickled


def _trial(config: dict[str, Any], *, storage: Storage, study: str, placement: Placement, flag: Any) -> None:
    """What a Tune actor runs, one trial after the other."""
    try:
        row = _perform(config["work"], storage, study, placement, flag)
    except (NonFiniteLossError, TrainingInterruptedError) as error:
        tune.report({"result": None, "error": str(error)})
    else:
        assert row is not None
        tune.report({"result": result(row), "error": ""})


def run_all(units: Sequence[Work], *, storage: Storage, study: str, placement: Placement, done: Done) -> None:
    """Run final fine-tunings and few-shot probes side by side, and leave their rows; a failure stops no other."""
    resources = placement.trial_resources
    flag: Any = ray.remote(Flag).options(num_cpus=0).remote()
    task = ray.remote(_perform).options(num_cpus=resources["CPU"], num_gpus=resources.get("GPU", 0))
    ahead = deque(units)

    def stop() -> None:
        ahead.clear()
        flag.stop.remote()

    def work() -> None:
        waiting: list[Any] = []
        while ahead or waiting:
            while len(waiting) < placement.slots and ahead:
                waiting.append(task.remote(ahead.popleft(), storage, study, placement, flag))
            (ready, *_), waiting = ray.wait(waiting)
            try:
                ray.get(ready)
                done("")
            except ray.exceptions.RayError as error:
                done(str(error).strip().splitlines()[-1])

    errors = together([work], stop=stop)
    ray.kill(flag)
    if errors:
        raise errors[0]


def _perform(work: Work, storage: Storage, study: str, placement: Placement, flag: Any) -> dict[str, Any] | None:
    return perform(
        work,
        storage=storage,
        study=study,
        device=placement.device(),
        report=Line(flag, work.id),
        save_seconds=SAVE_SECONDS,
    )

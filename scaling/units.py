"""Which units of work of a study its rows do not show yet."""

from collections.abc import Iterator, Mapping

import polars as pl

from scaling import results
from scaling.specs import Pretrain, Probe, Study, Task, Transfer, Upstream
from scaling.storage import Storage
from scaling.study import dev_trials, final_runs, upstreams

Given = Mapping[str, str]  # checkpoints that come from elsewhere: directory by id of the upstream


def checkpoint_of(upstream: Upstream, storage: Storage, given: Given) -> str | None:
    """Directory of an upstream's weights; None for a control without any."""
    if isinstance(upstream, Pretrain):
        return given.get(upstream.id, storage.path(results.checkpoint_name(upstream.id)))
    return None


def chosen_rate(upstream: Upstream, task: Task, trials: pl.DataFrame) -> float | None:
    """The rate for the final runs, of those in the task's grid; None as long as no trial row tells."""
    if len(task.base_lrs) == 1:
        return task.base_lrs[0]
    of_pair = trials.filter(run_id=upstream.id, task_id=task.id).filter(pl.col("base_lr").is_in(task.base_lrs))
    best = results.best_rates(of_pair)["base_lr"].to_list()
    return best[0] if best else None


def missing_runs(study: Study, storage: Storage, given: Given) -> list[Pretrain]:
    """Pre-training runs without a row."""
    there = results.done(storage, "pretrain") | set(given)
    return [run for run in study.runs if run.id not in there]


def missing_trials(study: Study, storage: Storage, given: Given) -> list[Transfer]:
    """Dev trials without a row, of the upstreams that have their weights."""
    there = results.done(storage, "trial")
    pairs = ((upstream, task) for upstream in _ready(study, storage, given) for task in study.tasks)
    trials = [trial for upstream, task in pairs for trial in dev_trials(upstream, task, study.seeds[0])]
    return [trial for trial in trials if trial.id not in there]


def missing_finals(study: Study, storage: Storage, given: Given) -> list[Transfer]:
    """Final runs without a row, of the pairs whose rate is known: the best trial's, or the only one.

    A pair waits for all of its grid, lest a trial that was killed and comes later changes the choice; a trial that
    diverged does so every time, and is not waited for.
    """
    there = results.done(storage, "transfer")
    trials = results.read(storage, "trial")
    tried = results.done(storage, "trial") | _diverged(storage)
    finals: list[Transfer] = []
    for upstream in _ready(study, storage, given):
        for task in study.tasks:
            whole = all(trial.id in tried for trial in dev_trials(upstream, task, study.seeds[0]))
            rate = chosen_rate(upstream, task, trials) if whole else None
            finals += final_runs(upstream, task, rate, study.seeds) if rate is not None else []
    return [final for final in finals if final.id not in there]


def missing_probes(study: Study, storage: Storage, given: Given) -> list[Probe]:
    """Few-shot evaluations without rows, of the upstreams that have their weights."""
    there = results.done(storage, "fewshot")
    probes = [Probe(upstream, few) for upstream in _ready(study, storage, given) for few in study.fewshot]
    return [probe for probe in probes if probe.id not in there]


def finished(study: Study, storage: Storage, given: Given) -> bool:
    """Whether every unit of the study has its rows."""
    missing = (missing_runs, missing_trials, missing_finals, missing_probes)
    return not any(find(study, storage, given) for find in missing)


def _diverged(storage: Storage) -> set[str]:
    return set(results.read(storage, "attempt").filter(outcome="diverged")["unit_id"])


def _ready(study: Study, storage: Storage, given: Given) -> Iterator[Upstream]:
    missing = {run.id for run in missing_runs(study, storage, given)}
    return (upstream for upstream in upstreams(study) if upstream.id not in missing)

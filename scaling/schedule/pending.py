"""Which units of work of a study have no row yet."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scaling import store
from scaling.schedule.pairs import Pair, final_runs, search_pairs, upstreams
from scaling.schedule.sampler import RESULT_COLUMNS, Result, result_of
from scaling.schedule.trials import chosen_settings, due_trials
from scaling.specs import Pretrain, Probe, Study, Transfer, Upstream
from scaling.store import Storage, checkpoint_name, finished_ids

if TYPE_CHECKING:
    import polars as pl

Checkpoints = Mapping[str, str]  # of upstreams that were trained in another storage: directory by id of the upstream


def checkpoint_of(upstream: Upstream, storage: Storage, given: Checkpoints) -> str | None:
    """Directory of a run's weights; None for from-scratch baselines, and for released files, which say their own."""
    if isinstance(upstream, Pretrain):
        return given.get(upstream.id, storage.path(checkpoint_name(upstream.id)))
    return None


def missing_runs(study: Study, storage: Storage, given: Checkpoints) -> list[Pretrain]:
    """Pre-training runs without a row; those whose checkpoints are `given` are not missing."""
    finished = finished_ids(storage, "pretrain") | set(given)
    return [run for run in study.runs if run.id not in finished]


def trial_results(storage: Storage, attempts: "pl.DataFrame | None" = None) -> dict[str, Result | None]:
    """Results of all dev trials in a storage, by id; None for a trial that diverged, as it would every time.

    `attempts` is what `store.open_attempts` returns, where the caller has read it already.
    """
    if attempts is None:
        attempts = store.open_attempts(storage, ["unit_id", "outcome"])
    diverged: dict[str, Result | None] = dict.fromkeys(attempts.filter(outcome="diverged")["unit_id"])
    rows = store.read_table(storage, "trial", ["trial_id", *RESULT_COLUMNS])
    return diverged | {row["trial_id"]: result_of(row) for row in rows.iter_rows(named=True)}


def ready_pairs(study: Study, storage: Storage, given: Checkpoints) -> list[Pair]:
    """The pairs whose upstream has its weights."""
    missing = {run.id for run in missing_runs(study, storage, given)}
    return [pair for pair in search_pairs(study) if pair.upstream.id not in missing]


def missing_finals(study: Study, storage: Storage, given: Checkpoints) -> list[Transfer]:
    """Final runs without a row, of the pairs whose search is over."""
    finished, results = finished_ids(storage, "transfer"), trial_results(storage)
    finals = [
        final
        for pair in ready_pairs(study, storage, given)
        for final in final_runs(pair, chosen_settings(pair, results), study.seeds)
    ]
    return [final for final in finals if final.id not in finished]


def missing_probes(study: Study, storage: Storage, given: Checkpoints) -> list[Probe]:
    """Few-shot evaluations without rows, of the upstreams that have their weights."""
    finished = finished_ids(storage, "fewshot")
    probes = [Probe(upstream, few) for upstream in _ready_upstreams(study, storage, given) for few in study.fewshot]
    return [probe for probe in probes if probe.id not in finished]


def open_searches(study: Study, storage: Storage, given: Checkpoints) -> list[Pair]:
    """The pairs whose search is not over."""
    results = trial_results(storage)
    return [pair for pair in ready_pairs(study, storage, given) if not due_trials(pair, results)[1]]


def is_finished(study: Study, storage: Storage, given: Checkpoints) -> bool:
    """Whether every unit of the study has its rows."""
    stages = (missing_runs, open_searches, missing_finals, missing_probes)
    return not any(missing(study, storage, given) for missing in stages)


def _ready_upstreams(study: Study, storage: Storage, given: Checkpoints) -> Iterator[Upstream]:
    missing = {run.id for run in missing_runs(study, storage, given)}
    return (upstream for upstream in upstreams(study) if upstream.id not in missing)

"""Which units of work of a study its rows do not show yet."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scaling import store
from scaling.schedule.sampler import RESULT_COLUMNS, Result, result_of
from scaling.schedule.trials import Pair, chosen_settings, due_trials, final_runs, search_pairs, upstreams
from scaling.specs import Pretrain, Probe, Study, Transfer, Upstream
from scaling.store import Storage, checkpoint_name, finished_ids

if TYPE_CHECKING:
    import polars as pl

Given = Mapping[str, str]  # checkpoints that come from elsewhere: directory by id of the upstream


def checkpoint_of(upstream: Upstream, storage: Storage, given: Given) -> str | None:
    """Directory of an upstream's weights; None for a control without any."""
    if isinstance(upstream, Pretrain):
        return given.get(upstream.id, storage.path(checkpoint_name(upstream.id)))
    return None


def missing_runs(study: Study, storage: Storage, given: Given) -> list[Pretrain]:
    """Pre-training runs without a row."""
    there = finished_ids(storage, "pretrain") | set(given)
    return [run for run in study.runs if run.id not in there]


def trial_results(storage: Storage, attempts: "pl.DataFrame | None" = None) -> dict[str, Result | None]:
    """What the rows say of dev trials, by id; None for those that diverged, as they do every time.

    `attempts` are those of `store.open_attempts`, where they are at hand.
    """
    if attempts is None:
        attempts = store.open_attempts(storage, ["unit_id", "outcome"])
    found: dict[str, Result | None] = dict.fromkeys(attempts.filter(outcome="diverged")["unit_id"])
    rows = store.read_table(storage, "trial", ["trial_id", *RESULT_COLUMNS])
    return found | {row["trial_id"]: result_of(row) for row in rows.iter_rows(named=True)}


def ready_pairs(study: Study, storage: Storage, given: Given) -> list[Pair]:
    """Those whose upstream has its weights."""
    missing = {run.id for run in missing_runs(study, storage, given)}
    return [pair for pair in search_pairs(study) if pair.upstream.id not in missing]


def missing_finals(study: Study, storage: Storage, given: Given) -> list[Transfer]:
    """Final runs without a row, of the pairs whose search is over."""
    there, known = finished_ids(storage, "transfer"), trial_results(storage)
    finals = [
        final
        for pair in ready_pairs(study, storage, given)
        for final in final_runs(pair, chosen_settings(pair, known), study.seeds)
    ]
    return [final for final in finals if final.id not in there]


def missing_probes(study: Study, storage: Storage, given: Given) -> list[Probe]:
    """Few-shot evaluations without rows, of the upstreams that have their weights."""
    there = finished_ids(storage, "fewshot")
    probes = [Probe(upstream, few) for upstream in _ready(study, storage, given) for few in study.fewshot]
    return [probe for probe in probes if probe.id not in there]


def open_searches(study: Study, storage: Storage, given: Given) -> list[Pair]:
    """The pairs whose search is not over."""
    known = trial_results(storage)
    return [pair for pair in ready_pairs(study, storage, given) if not due_trials(pair, known)[1]]


def is_finished(study: Study, storage: Storage, given: Given) -> bool:
    """Whether every unit of the study has its rows."""
    missing = (missing_runs, open_searches, missing_finals, missing_probes)
    return not any(find(study, storage, given) for find in missing)


def _ready(study: Study, storage: Storage, given: Given) -> Iterator[Upstream]:
    missing = {run.id for run in missing_runs(study, storage, given)}
    return (upstream for upstream in upstreams(study) if upstream.id not in missing)

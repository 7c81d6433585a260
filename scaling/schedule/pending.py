"""Which units of work of a study have no row yet."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from scaling import store
from scaling.schedule.pairs import Pair, evaluation_runs, final_runs, search_pairs, upstreams
from scaling.schedule.sampler import RESULT_COLUMNS, Result, result_of
from scaling.schedule.trials import chosen_settings, due_trials
from scaling.specs import EvaluationRun, Pretrain, Probe, Study, Transfer, Upstream
from scaling.store import Storage, checkpoint_name, finished_ids

if TYPE_CHECKING:
    import polars as pl

NAMES_SHOWN = 5  # in a line
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
    rows = store.read_table(storage, "trial", ["trial_id", "steps", *RESULT_COLUMNS])
    found = _diverged(attempts) | {row["trial_id"]: result_of(row) for row in rows.iter_rows(named=True)}
    paused = set(rows["trial_id"].filter(rows["steps_done"] < rows["steps"]))
    # Halving left them at a rung, whose row they keep where they diverged after it.
    return found | _diverged(store.attempts_of(storage, paused, ["unit_id", "outcome"])) if paused else found


def _diverged(attempts: "pl.DataFrame") -> dict[str, Result | None]:
    return dict.fromkeys(attempts.filter(outcome="diverged")["unit_id"])


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


def missing_evaluations(study: Study, storage: Storage, given: Checkpoints) -> list[EvaluationRun]:
    """Evaluations without rows, of the upstreams that have their weights."""
    untrained = {run.id for run in missing_runs(study, storage, given)}
    finished = finished_ids(storage, "metric")
    ready = [run for run in evaluation_runs(study) if run.upstream.id not in untrained]
    return [run for run in ready if run.id not in finished]


def open_searches(study: Study, storage: Storage, given: Checkpoints) -> list[Pair]:
    """The pairs whose search is not over."""
    results = trial_results(storage)
    return [pair for pair in ready_pairs(study, storage, given) if not due_trials(pair, results)[1]]


def is_finished(study: Study, storage: Storage, given: Checkpoints) -> bool:
    """Whether every unit of the study has its rows."""
    stages = (missing_runs, open_searches, missing_finals, missing_probes, missing_evaluations)
    return not any(missing(study, storage, given) for missing in stages)


def without_result(study: Study, storage: Storage, given: Checkpoints) -> list[str]:
    """What a study has no result of, a line each, by its rows: none when all that was asked for is there.

    Besides units without rows these are the searches that are over and have chosen nothing, since every trial diverged.
    """
    lines = []
    runs = missing_runs(study, storage, given)
    if runs:
        lines.append(f"{_units(len(runs), 'pre-training run')} without a result: {_names(run.name for run in runs)}")
    results = trial_results(storage)
    for pair in ready_pairs(study, storage, given):
        name = f"{pair.upstream.name} on {pair.task.name}"
        if not due_trials(pair, results)[1]:
            lines.append(f"{name}: its search is not over")
        elif not chosen_settings(pair, results):
            lines.append(f"{name}: no setting can be chosen, since every trial diverged: try lower learning rates")
    finals = missing_finals(study, storage, given)
    if finals:
        names = dict.fromkeys(f"{final.upstream.name} on {final.task.name}" for final in finals)
        lines.append(f"{_units(len(finals), 'final run')} without a result: {_names(names)}")
    probes = missing_probes(study, storage, given)
    if probes:
        names = dict.fromkeys(probe.upstream.name for probe in probes)
        lines.append(f"{_units(len(probes), 'few-shot probe')} without a result: {_names(names)}")
    evaluations = missing_evaluations(study, storage, given)
    if evaluations:
        names = dict.fromkeys(f"{run.evaluation.name} of {run.upstream.name}" for run in evaluations)
        lines.append(f"{_units(len(evaluations), 'evaluation')} without a result: {_names(names)}")
    return lines


def _units(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _names(names: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    listed = list(names)
    more = len(listed) - NAMES_SHOWN
    return ", ".join(listed[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _ready_upstreams(study: Study, storage: Storage, given: Checkpoints) -> Iterator[Upstream]:
    missing = {run.id for run in missing_runs(study, storage, given)}
    return (upstream for upstream in upstreams(study) if upstream.id not in missing)

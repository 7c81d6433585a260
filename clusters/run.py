"""A study's missing units, stage by stage: pre-training, sweep, final runs, probes and evaluations."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console

from clusters.execution import (
    Done,
    Follow,
    Placement,
    Snapshot,
    Watch,
    Work,
    mirrored,
    place,
    run_all,
    session,
    sweep,
    train_queue,
)
from scaling.console import Machine, Phase, View, phase
from scaling.data import built_in
from scaling.data.sources import open_split
from scaling.schedule import (
    Checkpoints,
    Pair,
    checkpoint_of,
    due_trials,
    known_settings,
    missing_evaluations,
    missing_finals,
    missing_probes,
    missing_runs,
    open_searches,
    search_pairs,
    trial_results,
    trials_left,
)
from scaling.specs import EvaluationRun, Pretrain, Probe, Study, Transfer, data_of, user_files
from scaling.store import Storage, clear_checkpoints, clear_finished
from scaling.training import SAVE_SECONDS


@dataclass(frozen=True)
class Stages:
    """What the stages of a study have in common."""

    study: Study
    storage: Storage
    console: Console
    placement: Placement
    given: Checkpoints  # checkpoints of upstreams that are not trained here, by id
    view: View | None
    save_seconds: float


def run(
    study: Study,
    storage: Storage,
    console: Console,
    machine: Machine | None = None,
    *,
    given: Checkpoints | None = None,
    save_seconds: float = SAVE_SECONDS,
    view: View | None = None,
) -> int:
    """Do what the rows do not show yet, and return the number of units that failed.

    `given` are checkpoints of upstreams that are not to be trained here, by id. `view` shows each fine-tuning, besides
    their number. Raises ValueError when the machine's numbers do not fit the cluster.
    """
    machine = machine or Machine()
    clear_finished(storage)
    console.print("Making the built-in data and starting Ray ...")
    with ThreadPoolExecutor(max_workers=1) as pool:
        data = pool.submit(_make_data, study, storage)  # takes seconds, and so does Ray
        if storage.local is None:  # no requests beside Ray's start, see `still_environment`
            data.result()
        with session(code=user_files(study)):
            # Its error ends the study here, before any worker begins.
            data.result()
            stages = Stages(study, storage, console, place(machine), given or {}, view, save_seconds)
            # In this order: each stage reads what the one before has left in the rows.
            return _pretrain(stages) + _search(stages) + _measure(stages)


def _make_data(study: Study, storage: Storage) -> None:
    """Make built-in data once, before many workers want them at the same time."""
    datasets = [run.data for run in study.runs] + [task.data for task in study.tasks]
    datasets += [data for each in study.evaluations if (data := data_of(each))]
    for uri in dict.fromkeys(uri for data in datasets for uri in (data.train, data.test) if uri):
        if built_in(uri):
            open_split(uri, storage)


def _pretrain(stages: Stages) -> int:
    """The pre-training runs. Returns how many failed, as the other stages do."""
    runs = missing_runs(stages.study, stages.storage, stages.given)
    if not runs:
        return 0
    with phase(stages.console, "Pre-training runs", len(runs)) as stage:
        failed = train_queue(
            [Work(run) for run in runs],
            storage=stages.storage,
            study=stages.study.name,
            placement=stages.placement,
            watch=_watch_runs(runs, stage),
            save_seconds=stages.save_seconds,
        )
    return len(failed)


def _watch_runs(runs: Sequence[Pretrain], stage: Phase) -> Watch:
    """Show what a queue's snapshots say of pre-training runs."""
    by_id, seen = {Work(run).id: run for run in runs}, set[str]()

    def progress(run: Pretrain, report: dict[str, float]) -> str:
        return f"{run.name} {report['step'] / run.steps:.0%} loss {report['train_loss']:.2f}"

    def watch(snapshot: Snapshot) -> None:
        for unit_id, error in snapshot.finished.items():
            if unit_id not in seen:
                seen.add(unit_id)
                stage.line(f"{by_id[unit_id].name}: {error or 'done'}")
                stage.advance()
        stage.show("  ".join(progress(by_id[unit_id], report) for unit_id, report in snapshot.progress.items()))

    return watch


def _search(stages: Stages) -> int:
    """The dev trials of every pair whose search is not over."""
    storage, placement = stages.storage, stages.placement
    pairs = open_searches(stages.study, storage, stages.given)
    if not pairs:
        _clear_paused(search_pairs(stages.study), storage)  # what a kill has left
        return 0
    known, errors = trial_results(storage), list[str]()
    with (
        mirrored(placement.machine.optuna_storage, storage, pairs, known) as mirror,
        phase(stages.console, "Dev trials", sum(trials_left(pair, known) for pair in pairs), stages.view) as stage,
    ):
        done, follow = _listeners(stage, errors)
        if placement.machine.trial_workers > 1:
            failed: set[str] = set()
            while works := _due_works(pairs, stages, failed):  # a search may call for more once these have ended
                failed |= train_queue(
                    works,
                    storage=storage,
                    study=stages.study.name,
                    placement=placement.for_trials(),
                    watch=_watch_trials(works, done, follow),
                    save_seconds=SAVE_SECONDS,
                ).keys()
        else:
            sweep(
                pairs,
                known,
                checkpoints={pair.upstream.id: _checkpoint(pair, stages) for pair in pairs},
                mirror=mirror,
                storage=storage,
                study=stages.study.name,
                placement=placement,
                done=done,
                follow=follow,
            )
    _clear_paused(pairs, storage)
    return len(errors)


def _checkpoint(unit: Pair | Transfer | Probe | EvaluationRun, stages: Stages) -> str | None:
    return checkpoint_of(unit.upstream, stages.storage, stages.given)


def _due_works(pairs: Sequence[Pair], stages: Stages, failed: Collection[str]) -> list[Work]:
    """All trials that the searches call for by now, but those that failed."""
    known = trial_results(stages.storage)
    trials = [(trial, _checkpoint(pair, stages)) for pair in pairs for trial in due_trials(pair, known)[0]]
    works = [Work(trial.transfer, checkpoint, trial.until) for trial, checkpoint in trials]
    return [work for work in works if work.id not in failed]


def _listeners(stage: Phase, errors: list[str]) -> tuple[Done, Follow | None]:
    """What is called with each unit that ends, whose error goes into the list, and with the steps of running ones."""

    def done(unit: Transfer | Probe | EvaluationRun, error: str) -> None:
        errors.extend([error] if error else [])
        stage.advance(unit, error)

    return done, stage.follow if stage.follows else None


def _watch_trials(works: Sequence[Work], done: Done, follow: Follow | None) -> Watch:
    """Tell what a queue's snapshots say of fine-tunings."""
    units, seen = {work.id: work.unit for work in works}, set[str]()

    def watch(snapshot: Snapshot) -> None:
        for work_id, error in snapshot.finished.items():
            unit = units[work_id]
            if work_id not in seen and not isinstance(unit, Pretrain):
                seen.add(work_id)
                done(unit, error)
        if follow is not None:
            follow({units[work_id].id: report["step"] for work_id, report in snapshot.progress.items()})

    return watch


def _clear_paused(pairs: Sequence[Pair], storage: Storage) -> None:
    """Remove the checkpoints of trials that halving left behind, where the search is over."""
    known, there = trial_results(storage), set(storage.list("checkpoints"))
    for pair in pairs if there else ():
        if pair.task.halving is not None and due_trials(pair, known)[1]:
            for setting in known_settings(pair, known)[0]:
                if (trial := pair.dev(setting).id) in there:
                    clear_checkpoints(storage, trial)


def _measure(stages: Stages) -> int:
    """Final runs, few-shot probes and other evaluations."""
    study, storage, placement = stages.study, stages.storage, stages.placement
    finals, probes = missing_finals(study, storage, stages.given), missing_probes(study, storage, stages.given)
    evaluations = missing_evaluations(study, storage, stages.given)
    counts = {"final runs": len(finals), "few-shot probes": len(probes), "evaluations": len(evaluations)}
    if not any(counts.values()):
        return 0
    errors: list[str] = []
    title = ", ".join(f"{what} {count}" for what, count in counts.items() if count or what != "evaluations")
    with phase(stages.console, title[0].upper() + title[1:], sum(counts.values()), stages.view) as stage:
        done, follow = _listeners(stage, errors)
        works = [Work(unit, _checkpoint(unit, stages)) for unit in finals]
        quick: list[Probe | EvaluationRun] = [*probes, *evaluations]
        others = [Work(unit, _checkpoint(unit, stages)) for unit in quick]
        if placement.machine.trial_workers > 1:
            train_queue(
                works,
                storage=storage,
                study=study.name,
                placement=placement.for_trials(),
                watch=_watch_trials(works, done, follow),
                save_seconds=SAVE_SECONDS,
            )
            works = []  # the others, which take one worker each, are left
        run_all(works + others, storage=storage, study=study.name, placement=placement, done=done, follow=follow)
    return len(errors)

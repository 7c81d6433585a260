"""A study's missing units, stage by stage: pre-training, sweep, final runs and probes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rich.console import Console

from clusters.execution import (
    Done,
    Follow,
    Placement,
    Snapshot,
    Work,
    mirrored,
    place,
    run_all,
    session,
    sweep,
    train_queue,
)
from scaling.console import View, phase
from scaling.data import built_in
from scaling.data.sources import open_split
from scaling.schedule import (
    Checkpoints,
    Pair,
    checkpoint_of,
    due_trials,
    known_settings,
    missing_finals,
    missing_probes,
    missing_runs,
    open_searches,
    trial_results,
    trials_left,
)
from scaling.specs import Pretrain, Probe, Study, Transfer
from scaling.store import Storage
from scaling.training import SAVE_SECONDS, clear_checkpoints


def run(
    study: Study,
    storage: Storage,
    console: Console,
    wish: Placement | None = None,
    *,
    given: Checkpoints | None = None,
    optuna_url: str | None = None,
    save_seconds: float = SAVE_SECONDS,
    view: View | None = None,
) -> int:
    """Do what the rows do not show yet, and return the number of units that failed.

    `given` are checkpoints of upstreams that are not to be trained here. `optuna_url` is where the searches are shown
    as Optuna studies, by default a file in the storage. `view` shows each fine-tuning, besides their number.
    """
    given = given or {}
    console.print("Making the built-in data and starting Ray ...")
    with ThreadPoolExecutor(max_workers=1) as pool:
        data = pool.submit(_make_data, study, storage)  # takes seconds, and so does Ray
        with session():
            data.result()
            where = place(wish or Placement())
            failed = _pretrain(study, storage, console, where, given, save_seconds)
            failed += _search(study, storage, console, where, given, optuna_url, view)
            return failed + _measure(study, storage, console, where, given, view)


def _make_data(study: Study, storage: Storage) -> None:
    """Built-in data are made once, before workers need them."""
    sets = [run.data for run in study.runs] + [task.data for task in study.tasks]
    for uri in dict.fromkeys(uri for data in sets for uri in (data.train, data.test) if uri):
        if built_in(uri):
            open_split(uri, storage)


def _pretrain(
    study: Study, storage: Storage, console: Console, where: Placement, given: Checkpoints, save_seconds: float
) -> int:
    runs = missing_runs(study, storage, given)
    if not runs:
        return 0
    names = {Work(run).id: run for run in runs}
    with phase(console, "Pre-training runs", len(runs)) as stage:
        seen: set[str] = set()

        def watch(snapshot: Snapshot) -> None:
            for unit_id, error in snapshot.finished.items():
                if unit_id not in seen:
                    seen.add(unit_id)
                    stage.line(f"{names[unit_id].name}: {error or 'done'}")
                    stage.advance()
            stage.now("  ".join(_at(names[unit_id], at) for unit_id, at in snapshot.progress.items()))

        units = [Work(run) for run in runs]
        failed = train_queue(
            units, storage=storage, study=study.name, placement=where, watch=watch, save_seconds=save_seconds
        )
    return len(failed)


def _at(run: Pretrain, at: dict[str, float]) -> str:
    return f"{run.name} {at['step'] / run.steps:.0%} loss {at['train_loss']:.2f}"


def _search(
    study: Study,
    storage: Storage,
    console: Console,
    where: Placement,
    given: Checkpoints,
    optuna_url: str | None,
    view: View | None,
) -> int:
    """The dev trials of every pair whose search is not over."""
    pairs = open_searches(study, storage, given)
    if not pairs:
        return 0
    known = trial_results(storage)
    errors: list[str] = []
    with (
        mirrored(optuna_url, storage, pairs, known) as mirror,
        phase(console, "Dev trials", sum(trials_left(pair, known) for pair in pairs), view) as stage,
    ):

        def done(unit: Transfer | Probe, error: str) -> None:
            errors.extend([error] if error else [])
            stage.advance(unit, error)

        follow = stage.follow if stage.follows else None

        if where.trial_workers > 1:
            _search_in_groups(pairs, study, storage, where, given, done, follow)
        else:
            checkpoints = {pair.upstream.id: checkpoint_of(pair.upstream, storage, given) for pair in pairs}
            sweep(
                pairs,
                known,
                checkpoints=checkpoints,
                mirror=mirror,
                storage=storage,
                study=study.name,
                placement=where,
                done=done,
                follow=follow,
            )
    _clear_paused(pairs, storage)
    return len(errors)


def _search_in_groups(
    pairs: Sequence[Pair],
    study: Study,
    storage: Storage,
    where: Placement,
    given: Checkpoints,
    done: Done,
    follow: Follow | None,
) -> None:
    """Trials of several workers each: all that are known at a time go through worker groups, until none is left."""
    failed: set[str] = set()
    while True:
        known = trial_results(storage)
        works = [
            Work(trial.transfer, checkpoint_of(pair.upstream, storage, given), trial.until)
            for pair in pairs
            for trial in due_trials(pair, known)[0]
        ]
        works = [work for work in works if work.id not in failed]
        if not works:
            return
        failed |= _in_groups(works, study, storage, where, done, follow).keys()


def _in_groups(
    works: Sequence[Work], study: Study, storage: Storage, where: Placement, done: Done, follow: Follow | None
) -> dict[str, str]:
    units, seen = {work.id: work.unit for work in works}, set[str]()

    def watch(snapshot: Snapshot) -> None:
        for work_id, error in snapshot.finished.items():
            unit = units[work_id]
            if work_id not in seen and not isinstance(unit, Pretrain):
                seen.add(work_id)
                done(unit, error)
        if follow is not None:
            follow({units[work_id].id: at["step"] for work_id, at in snapshot.progress.items()})

    groups = replace(where, workers=where.trial_workers, groups=where.groups * where.workers // where.trial_workers)
    return train_queue(
        works, storage=storage, study=study.name, placement=groups, watch=watch, save_seconds=SAVE_SECONDS
    )


def _clear_paused(pairs: Sequence[Pair], storage: Storage) -> None:
    """Remove the checkpoints of trials that halving left behind, where the search is over."""
    known = trial_results(storage)
    for pair in pairs:
        if pair.task.halving is not None and due_trials(pair, known)[1]:
            for setting in known_settings(pair, known)[0]:
                clear_checkpoints(storage, pair.dev(setting).id)


def _measure(
    study: Study, storage: Storage, console: Console, where: Placement, given: Checkpoints, view: View | None
) -> int:
    """Final runs and few-shot probes."""
    finals, probes = missing_finals(study, storage, given), missing_probes(study, storage, given)
    if not finals and not probes:
        return 0
    errors: list[str] = []
    title = f"Final runs {len(finals)}, few-shot probes {len(probes)}"
    with phase(console, title, len(finals) + len(probes), view) as stage:

        def done(unit: Transfer | Probe, error: str) -> None:
            errors.extend([error] if error else [])
            stage.advance(unit, error)

        follow = stage.follow if stage.follows else None
        units: list[Transfer | Probe] = [*finals, *probes]
        works = [Work(unit, checkpoint_of(unit.upstream, storage, given)) for unit in units]
        if where.trial_workers > 1:
            trained = [work for work in works if isinstance(work.unit, Transfer)]
            _in_groups(trained, study, storage, where, done, follow)
            works = [work for work in works if isinstance(work.unit, Probe)]
        run_all(works, storage=storage, study=study.name, placement=where, done=done, follow=follow)
    return len(errors)

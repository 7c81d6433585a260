"""A study's missing units, stage by stage: pre-training, sweep, final runs and probes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from clusters.ray_train import train_queue
from clusters.ray_tune import run_all, sweep
from clusters.run_queue import Snapshot
from clusters.session import Placement, place, session
from scaling.data.sources import open_split
from scaling.data.uris import built_in
from scaling.display import phase
from scaling.specs import Precision, Pretrain, Probe, Study, Transfer
from scaling.storage import Storage
from scaling.training.loop import SAVE_SECONDS
from scaling.units import (
    Given,
    checkpoint_of,
    missing_finals,
    missing_probes,
    missing_runs,
    missing_trials,
)


def run(
    study: Study,
    storage: Storage,
    console: Console,
    *,
    workers: int = 1,
    precision: Precision | None = None,
    compile: bool = False,
    microbatch: int | None = None,
    given: Given | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> int:
    """Do what the rows do not show yet, and return the number of units that failed.

    `given` are checkpoints of upstreams that are not to be trained here.
    """
    given = given or {}
    console.print("Making the built-in data and starting Ray ...")
    with ThreadPoolExecutor(max_workers=1) as pool:
        data = pool.submit(_make_data, study, storage)  # takes seconds, and so does Ray
        with session():
            data.result()
            where = place(workers, precision, compile=compile, microbatch=microbatch)
            failed = _pretrain(study, storage, console, where, given, save_seconds)
            return failed + _transfer(study, storage, console, where, given)


def _make_data(study: Study, storage: Storage) -> None:
    """Built-in data are made once, before workers need them."""
    sets = [run.data for run in study.runs] + [task.data for task in study.tasks]
    for uri in dict.fromkeys(uri for data in sets for uri in (data.train, data.test) if uri):
        if built_in(uri):
            open_split(uri, storage)


def _pretrain(
    study: Study, storage: Storage, console: Console, where: Placement, given: Given, save_seconds: float
) -> int:
    runs = missing_runs(study, storage, given)
    if not runs:
        return 0
    names = {run.id: run for run in runs}
    with phase(console, "Pre-training runs", len(runs)) as stage:
        seen: set[str] = set()

        def watch(snapshot: Snapshot) -> None:
            for run_id, error in snapshot.finished.items():
                if run_id not in seen:
                    seen.add(run_id)
                    stage.line(f"{names[run_id].name}: {error or 'done'}")
                    stage.advance()
            stage.now("  ".join(_at(names[run_id], at) for run_id, at in snapshot.progress.items()))

        failed = train_queue(
            runs, storage=storage, study=study.name, placement=where, watch=watch, save_seconds=save_seconds
        )
    return len(failed)


def _at(run: Pretrain, at: dict[str, float]) -> str:
    return f"{run.name} {at['step'] / run.steps:.0%} loss {at['train_loss']:.2f}"


def _transfer(study: Study, storage: Storage, console: Console, where: Placement, given: Given) -> int:
    errors: list[str] = []

    def go(title: str, units: Sequence[Transfer | Probe], how: Callable[..., None]) -> None:
        if not units:
            return
        with phase(console, title, len(units)) as stage:

            def done(error: str) -> None:
                errors.extend([error] if error else [])
                stage.advance(error)

            with_checkpoints = [(unit, checkpoint_of(unit.upstream, storage, given)) for unit in units]
            how(with_checkpoints, storage=storage, study=study.name, placement=where, done=done)

    go("Dev trials of the rate", missing_trials(study, storage, given), sweep)
    finals, probes = missing_finals(study, storage, given), missing_probes(study, storage, given)
    go(f"Final runs {len(finals)}, few-shot probes {len(probes)}", [*finals, *probes], run_all)
    return len(errors)

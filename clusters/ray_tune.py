"""Sweeps on Ray Tune with Optuna, and the units that need no search as plain Ray tasks."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import optuna
import ray
from optuna.samplers import GridSampler
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from clusters.session import Placement
from scaling.fewshot import probe
from scaling.specs import Probe, Transfer, from_json, to_json
from scaling.storage import Storage
from scaling.transfer import finetune

Done = Callable[[str], None]  # called with a unit's error, '' when it succeeded


def sweep(
    trials: Sequence[tuple[Transfer, str | None]], *, storage: Storage, study: str, placement: Placement, done: Done
) -> None:
    """Run dev trials, each with its upstream's checkpoint, and leave their rows.

    Optuna's grid is the set of missing cells, so a stopped or widened sweep goes on with what the rows do not show.
    A failed trial leaves its attempt row and no trial row.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cells = {transfer.id: (to_json(transfer), checkpoint) for transfer, checkpoint in trials}
    facts = {t.id: {"upstream": t.upstream.name, "task": t.task.name, "base_lr": t.base_lr} for t, _ in trials}
    cache = tempfile.mkdtemp(prefix="sweep-")
    tuner = tune.Tuner(
        tune.with_resources(partial(_trial, storage=storage, study=study, placement=placement), placement.resources),
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                space=partial(_cell, cells=cells, facts=facts),
                metric="dev_top1",
                mode="max",
                sampler=GridSampler({"cell": list(cells)}, seed=0),
            ),
            num_samples=len(cells),
            max_concurrent_trials=placement.slots,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name="sweep", storage_path=cache, verbose=0, callbacks=[_Watch(done)]),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _cell(
    trial: optuna.Trial, *, cells: Mapping[str, tuple[str, str | None]], facts: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Optuna's space, define-by-run: which cell, and what it means, for people who look into Optuna."""
    cell = trial.suggest_categorical("cell", list(cells))
    for name, value in facts[cell].items():
        trial.set_user_attr(name, value)
    spec, checkpoint = cells[cell]
    return {"spec": spec, "checkpoint": checkpoint}


def _trial(config: dict[str, Any], *, storage: Storage, study: str, placement: Placement) -> None:
    """What a Tune actor runs, one trial after the other."""
    row = _finetune(config["spec"], config["checkpoint"], storage, study, placement)
    tune.report({"dev_top1": row["dev_top1"]})


class _Watch(tune.Callback):
    """Passes the end of every trial on."""

    def __init__(self, done: Done) -> None:
        self._done = done

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore, which rows replace; a console cannot be pickled

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._done("")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._done("failed")


def run_all(
    units: Sequence[tuple[Transfer | Probe, str | None]],
    *,
    storage: Storage,
    study: str,
    placement: Placement,
    done: Done,
) -> None:
    """Run final fine-tunings and few-shot probes side by side, and leave their rows; a failure stops no other."""
    task = ray.remote(_unit).options(num_cpus=placement.resources["CPU"], num_gpus=placement.gpus)
    waiting = [
        task.remote(type(unit), to_json(unit), checkpoint, storage, study, placement) for unit, checkpoint in units
    ]
    while waiting:
        (ready, *_), waiting = ray.wait(waiting)
        try:
            ray.get(ready)
            done("")
        except ray.exceptions.RayError as error:
            done(str(error).strip().splitlines()[-1])


def _unit(
    cls: type[Transfer | Probe], spec: str, checkpoint: str | None, storage: Storage, study: str, placement: Placement
) -> None:
    if cls is Transfer:
        _finetune(spec, checkpoint, storage, study, placement)
    else:
        device = placement.device()
        probe(from_json(Probe, spec), checkpoint=checkpoint, storage=storage, study=study, device=device)


def _finetune(spec: str, checkpoint: str | None, storage: Storage, study: str, placement: Placement) -> dict[str, Any]:
    """One trial: an ordinary function in the trial's own process."""
    return finetune(
        from_json(Transfer, spec),
        checkpoint=checkpoint,
        storage=storage,
        study=study,
        device=placement.device(),
        report=lambda step, metrics: None,
    )

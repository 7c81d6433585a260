"""Showing a training in trackers while it runs, from its first worker, by Ray's integrations of W&B and MLflow.

Every run in a tracker is named after the model, and a fine-tuning's also after its task and setting. In MLflow each
attempt at a training is a run of its own; in W&B and TensorBoard a resumed training goes on in its earlier run.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clusters.execution.work import Work, finished_row, title_of
from scaling.console import Log, Tracking, event_files, first_line, helping, run_directory, scalars
from scaling.specs import EvaluationRun, Pretrain, Probe, Transfer
from scaling.store import Storage, read_rows, without_secrets
from scaling.training import Report, Stop

EVERY = 2.0  # s between two points of a training
Sink = tuple[Log, Callable[[], None]]  # log and end


def prepare_trackers(tracking: Tracking, study: str) -> None:
    """Raise ValueError for what would go wrong in a worker, and make the study's MLflow experiment.

    The experiment is made here because workers that make it at the same time would collide.
    """
    if tracking.wandb is not None and not _has_login():
        raise ValueError(
            f"--wandb {tracking.wandb} needs a login: wandb login, or WANDB_API_KEY, or WANDB_MODE=offline for none"
        )
    if tracking.mlflow is not None:
        import mlflow

        try:
            mlflow.set_tracking_uri(tracking.mlflow)
            mlflow.set_experiment(study)
        except Exception as error:
            raise ValueError(
                without_secrets(f"--mlflow {tracking.mlflow} cannot be used: {first_line(error)}")
            ) from None


def _has_login() -> bool:
    """Whether W&B has a key or needs none, as Ray's integration looks for it. No network."""
    if os.environ.get("WANDB_MODE") in ("offline", "disabled") or os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    return bool(wandb.api.api_key)


@contextmanager
def tracked(report: Report, work: Work, tracking: Tracking, storage: Storage, study: str) -> Iterator[Report]:
    """A report that shows the training in the trackers too; when the block ends they get the evaluations of its rows.

    An error of a tracker is printed on standard error, once, and ends that tracker for this training, never the
    training itself.
    """
    sinks = [] if isinstance(work.unit, Probe | EvaluationRun) else list(_sinks(work, tracking, study))
    if not sinks:
        yield report
        return
    last = 0.0

    def tell(step: int, metrics: dict[str, Any]) -> Stop:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            for log, _ in sinks:
                log(step, scalars(metrics))
        return report(step, metrics)

    try:
        yield tell
        with helping("the trackers lack the last evaluations"):
            for step, metrics in _points(work, storage):
                for log, _ in sinks:
                    log(step, metrics)
    finally:
        for _, close in sinks:
            close()


def _points(work: Work, storage: Storage) -> list[tuple[int, dict[str, float]]]:
    """The evaluations of a training that has ended, by step: those of its curve, or the one of a fine-tuning's row."""
    row = finished_row(work, storage)
    if row is None:
        return []
    if isinstance(work.unit, Pretrain):
        curve = read_rows(storage, "curve", work.unit.id)
        points = [(point["step"], scalars(point)) for point in curve]
    else:
        points = [(row.get("steps_done") or row["steps"], scalars(row))]
    evaluated = [
        (step, {name: x for name, x in point.items() if name.endswith(("top1", "_loss"))}) for step, point in points
    ]
    return [(step, point) for step, point in evaluated if any(name.endswith("top1") for name in point)]


def _sinks(work: Work, tracking: Tracking, study: str) -> Iterator[Sink]:
    assert not isinstance(work.unit, Probe | EvaluationRun)
    for place, open_sink in (
        (tracking.tensorboard, _tensorboard),
        (tracking.wandb, _wandb),
        (tracking.mlflow, _mlflow),
    ):
        if place is not None:
            yield from _safely(open_sink.__name__.removeprefix("_"), open_sink, place, work.unit, study)


def _safely(name: str, open_sink: Callable[..., Sink], *arguments: Any) -> Iterator[Sink]:
    """The sink, which does nothing more after its first error."""
    broken = False

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal broken
            if broken:
                return None
            try:
                return function(*arguments)
            except Exception as error:
                broken = True
                print(f"{name} is left out of this training: {first_line(error)}", file=sys.stderr)

        return call

    sink = guarded(open_sink)(*arguments)
    if sink is not None:
        log, close = sink

        def end() -> None:
            with suppress(Exception) if broken else nullcontext():  # said already; its files are closed all the same
                (close if broken else guarded(close))()

        yield guarded(log), end


def _tensorboard(directory: str, unit: Pretrain | Transfer, study: str) -> Sink:
    return event_files(Path(directory) / study / run_directory(title_of(unit), unit.id))


def _wandb(project: str, unit: Pretrain | Transfer, study: str) -> Sink:
    from ray.air.integrations.wandb import setup_wandb

    about: dict[str, Any] = {"trial_id": unit.id, "trial_name": title_of(unit), "group": study, "job_type": _kind(unit)}
    run = setup_wandb(_facts(unit), project=project, **about)
    run.define_metric("*", step_metric="steps")  # evaluations come later than losses of the same step
    return (lambda step, metrics: run.log({"steps": step, **metrics})), run.finish


def _mlflow(uri: str, unit: Pretrain | Transfer, study: str) -> Sink:
    from ray.air.integrations.mlflow import setup_mlflow

    tags = {"unit_id": unit.id, "kind": _kind(unit)}
    mlflow = setup_mlflow(
        _facts(unit),
        tracking_uri=uri,
        experiment_name=study,
        run_name=title_of(unit),
        create_experiment_if_not_exists=True,
        tags=tags,
    )
    return (lambda step, metrics: mlflow.log_metrics(dict(metrics), step=step)), mlflow.end_run


def _kind(unit: Pretrain | Transfer) -> str:
    return "pretrain" if isinstance(unit, Pretrain) else unit.phase


def _facts(unit: Pretrain | Transfer) -> dict[str, Any]:
    """The spec as flat names and values, as trackers show it; for a fine-tuning its setting and its upstream's id."""
    if isinstance(unit, Pretrain):
        return _flat(asdict(unit))
    about = {"upstream": unit.upstream.id, "model": unit.upstream.name, "task": unit.task.name, "seed": unit.seed}
    return about | _flat(asdict(unit.setting))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat

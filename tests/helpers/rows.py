"""Rows made by hand, for tests that need no training."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from scaling.specs.identity import to_json
from scaling.specs.models import family
from scaling.specs.study import Transfer
from scaling.store.schemas import TABLES

EXAMPLE: dict[Any, Any] = {pa.string(): "x", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}
EXAMPLE |= {pa.list_(pa.int64()): [1, 2], pa.list_(pa.float64()): [0.5, 0.25], pa.list_(pa.uint8()): [7, 255]}


def example(table: str, **given: Any) -> dict[str, Any]:
    """A row of a table with all its columns; what is not given depends on the type alone."""
    fields = TABLES[table]
    return {f.name: EXAMPLE.get(f.type, datetime(2026, 1, 1, tzinfo=UTC)) for f in fields} | given


def trial_row(trial: Transfer, top1: float) -> dict[str, Any]:
    """The row that a dev trial with this accuracy leaves."""
    return {
        "trial_id": trial.id,
        "run_id": trial.upstream.id,
        "name": trial.upstream.name,
        "family": family(trial.upstream.model),
        "pretrained": True,
        "task_id": trial.task.id,
        "task": trial.task.name,
        "setting_id": trial.setting.id,
        "base_lr": trial.base_lr,
        "weight_decay": trial.recipe.weight_decay,
        "dropout": trial.recipe.dropout,
        "label_smoothing": trial.recipe.label_smoothing,
        "seed": trial.seed,
        "resolution": trial.resolution,
        "steps": trial.steps,
        "batch_size": trial.recipe.batch_size,
        "train_loss": 1.0,
        "train_flops": 1.0,
        "train_flops_valid": 1.0,
        "spec": to_json(trial),
        "steps_done": trial.steps,
        "dev_top1": top1,
        "dev_loss": 1.0,
        "rung_steps": [trial.steps],
        "rung_dev_top1": [top1],
    }

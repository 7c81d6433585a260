"""Rows made by hand, for tests that need no training."""

from typing import Any

from scaling.specs import Transfer, family, to_json


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

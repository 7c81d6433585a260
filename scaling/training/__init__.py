"""The training loop and what it stands on: optimizer, state, devices, ledger."""

from scaling.training.devices import (
    Device,
    Kind,
    broadcast,
    host_alone,
    local_device,
    sum_over_workers,
    tpu_library,
    union_over_workers,
)
from scaling.training.evaluation import EVAL_BATCH, accuracy, features, topk
from scaling.training.ledger import NonFiniteLossError, TrainingInterruptedError, Unit, attempt
from scaling.training.loop import SAVE_SECONDS, Report, Trained, Training, accumulate, train
from scaling.training.objective import Objective, classification
from scaling.training.optim import make_optimizer
from scaling.training.state import clear_checkpoints, save_final_weights

__all__ = [
    "EVAL_BATCH",
    "SAVE_SECONDS",
    "Device",
    "Kind",
    "NonFiniteLossError",
    "Objective",
    "Report",
    "Trained",
    "Training",
    "TrainingInterruptedError",
    "Unit",
    "accumulate",
    "accuracy",
    "attempt",
    "broadcast",
    "classification",
    "clear_checkpoints",
    "features",
    "host_alone",
    "local_device",
    "make_optimizer",
    "save_final_weights",
    "sum_over_workers",
    "topk",
    "tpu_library",
    "train",
    "union_over_workers",
]

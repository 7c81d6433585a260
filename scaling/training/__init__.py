"""The training loop and what it stands on: optimizer, state, devices, ledger."""

from scaling.training.devices import (
    FP32,
    Device,
    DeviceKind,
    broadcast,
    host_alone,
    local_device,
    sum_over_workers,
    tpu_library,
    union_over_workers,
)
from scaling.training.evaluation import EVAL_BATCH, accuracy, confidences, features, topk
from scaling.training.holding import devices_taken
from scaling.training.ledger import NonFiniteLossError, TrainingInterruptedError, Unit, attempt, evaluated_at
from scaling.training.lion import Lion
from scaling.training.loop import Report, Trained, Training, microbatches, train
from scaling.training.muon import Muon
from scaling.training.objective import Objective, check_loss, classification
from scaling.training.optim import check_optimizer, learning_rate, make_optimizer, set_learning_rate
from scaling.training.parameters import described_groups
from scaling.training.saving import SAVE_SECONDS, Stop
from scaling.training.state import save_final_weights

__all__ = [
    "EVAL_BATCH",
    "FP32",
    "SAVE_SECONDS",
    "Device",
    "DeviceKind",
    "Lion",
    "Muon",
    "NonFiniteLossError",
    "Objective",
    "Report",
    "Stop",
    "Trained",
    "Training",
    "TrainingInterruptedError",
    "Unit",
    "accuracy",
    "attempt",
    "broadcast",
    "check_loss",
    "check_optimizer",
    "classification",
    "confidences",
    "described_groups",
    "devices_taken",
    "evaluated_at",
    "features",
    "host_alone",
    "learning_rate",
    "local_device",
    "make_optimizer",
    "microbatches",
    "save_final_weights",
    "set_learning_rate",
    "sum_over_workers",
    "topk",
    "tpu_library",
    "train",
    "union_over_workers",
]

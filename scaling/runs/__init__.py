"""Pre-training, fine-tuning and few-shot probes: spec and weights in, rows out. Ordinary functions, without Ray."""

from scaling.runs.fewshot import probe
from scaling.runs.finetune import finetune, known_columns
from scaling.runs.pretrain import pretrain

__all__ = [
    "finetune",
    "known_columns",
    "pretrain",
    "probe",
]

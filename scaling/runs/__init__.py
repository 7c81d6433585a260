"""Pre-training, fine-tuning, probes, evaluations: spec and weights in, rows out. Ordinary functions, without Ray."""

from scaling.runs.evaluations import evaluate
from scaling.runs.fewshot import probe
from scaling.runs.finetune import finetune, known_columns
from scaling.runs.pretrain import pretrain

__all__ = [
    "evaluate",
    "finetune",
    "known_columns",
    "pretrain",
    "probe",
]

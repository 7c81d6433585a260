"""Weights in and out: files of the official codes, of timm and our own, and the checkpoints of a study.

from scaling.checkpoints import load_weights, save_npz, save_safetensors
"""

from scaling.checkpoints.classifier import Classifier, load_classifier, upstream_classifier
from scaling.checkpoints.fit import check_upstream
from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.checkpoints.locate import checkpoint_directory, is_weights_file, model_of_file, read_spec
from scaling.checkpoints.upstream import load_upstream

__all__ = [
    "Classifier",
    "check_upstream",
    "checkpoint_directory",
    "is_weights_file",
    "load_classifier",
    "load_upstream",
    "load_weights",
    "model_of_file",
    "read_spec",
    "save_npz",
    "save_safetensors",
    "upstream_classifier",
]

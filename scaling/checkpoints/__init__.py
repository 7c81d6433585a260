"""Weights in and out: the official codes' files, timm's and our own, and where a study left them."""

from scaling.checkpoints.classifier import Classifier, load_classifier
from scaling.checkpoints.locate import checkpoint_directory, is_weights_file, model_of_file, read_spec
from scaling.checkpoints.upstream import load_upstream

__all__ = [
    "Classifier",
    "checkpoint_directory",
    "is_weights_file",
    "load_classifier",
    "load_upstream",
    "model_of_file",
    "read_spec",
]

"""Weights in and out: the official codes' files, timm's and our own, and where a study left them."""

from scaling.checkpoints.classifier import Classifier, load_classifier
from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.checkpoints.locate import checkpoint_directory, is_weights_file, model_of_file, read_spec
from scaling.checkpoints.upstream import load_upstream

__all__ = [
    "Classifier",
    "checkpoint_directory",
    "is_weights_file",
    "load_classifier",
    "load_upstream",
    "load_weights",
    "model_of_file",
    "read_spec",
    "save_npz",
    "save_safetensors",
]

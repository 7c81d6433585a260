"""Trained classifiers by where they lie: a checkpoint of a study, or a file of weights and the name of its model."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from scaling.checkpoints.files import Checkpoint, parse_arrays, read_arrays
from scaling.checkpoints.formats import load_weights
from scaling.checkpoints.locate import checkpoint_directory, is_weights_file, model_of_file, read_spec
from scaling.checkpoints.names import HEADS, Layout
from scaling.checks import check
from scaling.models import build
from scaling.specs import Transfer, family, whole_patches, without_representation

BIASES: dict[Layout, str] = {  # of the classifier
    "vision_transformer": "head/bias",
    "big_transfer": "resnet/head/conv2d/bias",
    "timm": "head.bias",
    "ours": "head.bias",
}


@dataclass(frozen=True, eq=False)
class Classifier:
    """A module with its head, at a resolution in whole patches."""

    module: nn.Module
    source: str  # path or URI of the weights
    name: str
    family: str
    run_id: str | None  # of the upstream, of a checkpoint that a study left
    weights_sha256: str
    num_classes: int
    resolution: int


def load_classifier(checkpoint: str, *, runs: str | None, model: str | None, resolution: int | None) -> Classifier:
    """Load a classifier.

    Args:
        checkpoint: of a run or of a kept final fine-tuning, as `checkpoint_directory` finds it; or a file.
        runs: storage to look for it in, by its id or name.
        model: name in the zoo, for a file.
        resolution: pixels a side, lowered to whole patches; None: that of its training, 224 for a file.

    Raises ValueError when there is none, it has no classifier, or it does not fit the model.
    """
    if is_weights_file(checkpoint):
        return _of_file(checkpoint, model, resolution or 224)
    check(model is None, f"--model is for a file of weights; {checkpoint} says itself which model it is")
    place = checkpoint_directory(checkpoint, runs)
    spec = read_spec(place)
    if isinstance(spec, Transfer):
        run, data, body = spec.upstream, spec.task.data, without_representation(spec.upstream.model)
    else:
        check(spec.masked is None, f"{checkpoint} is of a run that predicts masked patches: it has no classifier")
        run, data, body = spec, spec.data, spec.model
    assert data.num_classes is not None
    chosen = whole_patches(body, resolution or spec.resolution)
    module = build(body, data.num_classes, resolution=chosen)
    load_weights(module, place.path("model.safetensors"))
    digest = hashlib.sha256(place.read("model.safetensors")).hexdigest()
    return Classifier(module, place.uri, run.name, family(body), run.id, digest, data.num_classes, chosen)


def _of_file(path: str, name: str | None, resolution: int) -> Classifier:
    spec = model_of_file(path, name)
    arrays = read_arrays(path)
    file = parse_arrays(arrays, path)
    bias = file.tensors.get(BIASES[file.layout])
    if bias is None:
        raise ValueError(f"{path} has no classifier: no {file.in_file(BIASES[file.layout])}")
    hidden = HEADS[file.layout][1:]  # the hidden layer of the pre-training head, which fine-tuned weights lack
    if not (hidden and any(name.startswith(hidden) for name in file.tensors)):
        spec = without_representation(spec)
    chosen = whole_patches(spec, resolution)
    module = build(spec, len(bias), resolution=chosen)
    load_weights(module, arrays)
    source = path if "://" in path else str(Path(path).absolute())
    return Classifier(module, source, str(name), family(spec), None, _digest(file), len(bias), chosen)


def _digest(file: Checkpoint) -> str:
    """SHA-256 of a file's parameters, wherever it lies."""
    digest = hashlib.sha256()
    for name in sorted(file.tensors):
        digest.update(name.encode())
        digest.update(file.tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

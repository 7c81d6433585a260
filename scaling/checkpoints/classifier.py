"""Trained classifiers, loaded from a checkpoint of a study, or from a file of weights and the name of its model."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from scaling.checkpoints.files import Checkpoint, parse_arrays, read_arrays
from scaling.checkpoints.formats import load_weights
from scaling.checkpoints.locate import checkpoint_directory, is_weights_file, model_of_file, read_classes, read_spec
from scaling.checkpoints.names import HEADS, Layout
from scaling.checkpoints.upstream import read_weights
from scaling.checkpoints.whole import check_file
from scaling.checks import check
from scaling.models import CustomModel, build
from scaling.specs import Architecture, Pretrain, Released, Transfer, family, whole_patches, without_representation

CLASSIFIER_BIASES: dict[Layout, str] = {  # its length is the number of classes
    "vision_transformer": "head/bias",
    "big_transfer": "resnet/head/conv2d/bias",
    "timm": "head.bias",
    "ours": "head.bias",
}


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model with its classifier, for images of `resolution` pixels a side, a multiple of its patch size."""

    module: nn.Module
    source: str  # path or URI of the weights
    name: str
    family: str
    run_id: str | None  # the pre-training run's, where a study trained it; None for a file
    weights_sha256: str
    num_classes: int
    resolution: int
    classes: list[str] | None = None  # names of the first classes, or all, where the checkpoint has some


def load_classifier(checkpoint: str, *, runs: str | None, model: str | None, resolution: int | None) -> Classifier:
    """Load a trained classifier.

    Args:
        checkpoint: the checkpoint of a run or of a final fine-tuning that was kept, as `checkpoint_directory` finds it;
            or a `.npz` or `.safetensors` file.
        runs: storage of the study in which `checkpoint` is an id or a name.
        model: name in the zoo of the model that a file holds.
        resolution: pixels a side, lowered to whole patches; by default that of its training, and 224 for a file.

    Raises ValueError when there is no such checkpoint, it has no classifier, or it does not fit the model.
    """
    if is_weights_file(checkpoint):
        return _classifier_of_file(checkpoint, model_of_file(checkpoint, model), str(model), resolution or 224)
    check(model is None, f"--model is for a file of weights; {checkpoint} says which model it is: leave --model out")
    directory = checkpoint_directory(checkpoint, runs)
    spec = read_spec(directory)
    if isinstance(spec, Transfer):
        run, data, body = spec.upstream, spec.task.data, without_representation(spec.upstream.model)
    else:
        check(spec.masked is None, f"{checkpoint} predicts masked patches: it has no classifier; fine-tune it first")
        run, data, body = spec, spec.data, spec.model
    assert data.num_classes is not None
    pixels = whole_patches(body, resolution or spec.resolution)
    module = build(body, data.num_classes, resolution=pixels)
    if isinstance(module, CustomModel):
        module.load_state_dict(read_weights(directory))
    else:
        load_weights(module, directory.path("model.safetensors"))
    digest = hashlib.sha256(directory.read("model.safetensors")).hexdigest()
    return Classifier(
        module,
        directory.uri,
        run.name,
        family(body),
        run.id,
        digest,
        data.num_classes,
        pixels,
        read_classes(directory, data.num_classes),
    )


def upstream_classifier(upstream: Pretrain | Released, checkpoint: str | None, resolution: int) -> Classifier:
    """The classifier of an upstream itself, in `checkpoint` or in a file. Raises the errors of `load_classifier`."""
    if isinstance(upstream, Released):
        return _classifier_of_file(upstream.source, upstream.model, upstream.name, resolution)
    assert checkpoint is not None
    return load_classifier(checkpoint, runs=None, model=None, resolution=resolution)


def _classifier_of_file(path: str, spec: Architecture, name: str, resolution: int) -> Classifier:
    check_file(path)
    arrays = read_arrays(path)
    file = parse_arrays(arrays, path)
    bias = file.tensors.get(CLASSIFIER_BIASES[file.layout])
    if bias is None:
        missing = file.in_file(CLASSIFIER_BIASES[file.layout])
        raise ValueError(f"{path} has no classifier: it lacks {missing}; take a file that has its head")
    hidden = HEADS[file.layout][1:]  # the hidden layer of the pre-training head, which fine-tuned weights lack
    if not (hidden and any(name.startswith(hidden) for name in file.tensors)):
        spec = without_representation(spec)
    pixels = whole_patches(spec, resolution)
    module = build(spec, len(bias), resolution=pixels)
    load_weights(module, arrays)
    source = path if "://" in path else str(Path(path).absolute())
    return Classifier(module, source, name, family(spec), None, _digest(file), len(bias), pixels)


def _digest(file: Checkpoint) -> str:
    """SHA-256 of a file's parameters, by sorted name: the same for the same weights in any file or place."""
    digest = hashlib.sha256()
    for name in sorted(file.tensors):
        digest.update(name.encode())
        digest.update(file.tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

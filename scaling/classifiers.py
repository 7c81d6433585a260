"""Trained classifiers by where they lie: a run's checkpoint, or a file of weights and the name of its model."""

import hashlib
from dataclasses import dataclass

import torch
from torch import nn

from scaling.identity import check, from_json
from scaling.models import build
from scaling.models.checkpoint_files import Checkpoint, parse, read
from scaling.models.checkpoints import load
from scaling.models.layouts import HEADS, Layout
from scaling.specs import Pretrain, family, whole_patches, without_representation
from scaling.storage import Storage
from scaling.zoo import model as named

BIASES: dict[Layout, str] = {  # of the classifier
    "vision_transformer": "head/bias",
    "big_transfer": "resnet/head/conv2d/bias",
    "timm": "head.bias",
    "ours": "head.bias",
}
FILES = (".npz", ".safetensors")


@dataclass(frozen=True, eq=False)
class Classifier:
    """A module with its head, at a resolution in whole patches."""

    module: nn.Module
    name: str
    family: str
    run_id: str | None  # of a checkpoint that a study left
    weights_sha256: str
    num_classes: int
    resolution: int


def classifier(checkpoint: str, *, model: str | None, resolution: int | None) -> Classifier:
    """Load a classifier.

    Args:
        checkpoint: directory or URI with model.safetensors and spec.json, or a `.npz` or `.safetensors` file.
        model: name in the zoo, for a file.
        resolution: pixels a side, lowered to whole patches; None: that of the run's training, 224 for a file.

    Raises ValueError when there is none, it has no classifier, or it does not fit the model.
    """
    if checkpoint.split("?")[0].endswith(FILES):
        return _of_file(checkpoint, model, resolution or 224)
    check(model is None, f"--model is for a file of weights; {checkpoint} says itself which model it is")
    place = Storage.of(checkpoint)
    for name in ("model.safetensors", "spec.json"):
        check(place.exists(name), f"{checkpoint} is no checkpoint: it has no {name}")
    run = from_json(Pretrain, place.read("spec.json").decode())
    check(run.masked is None, f"{checkpoint} is of a run that predicts masked patches: it has no classifier")
    assert run.data.num_classes is not None
    chosen = whole_patches(run.model, resolution or run.resolution)
    module = build(run.model, run.data.num_classes, resolution=chosen)
    load(module, place.path("model.safetensors"))
    digest = hashlib.sha256(place.read("model.safetensors")).hexdigest()
    return Classifier(module, run.name, family(run.model), run.id, digest, run.data.num_classes, chosen)


def _of_file(path: str, model: str | None, resolution: int) -> Classifier:
    check(model is not None, f"{path} does not say which model it is: give --model, such as ViT-B/16")
    assert model is not None
    arrays = read(path)
    file = parse(arrays, path)
    bias = file.tensors.get(BIASES[file.layout])
    if bias is None:
        raise ValueError(f"{path} has no classifier: no {file.in_file(BIASES[file.layout])}")
    spec = named(model)
    hidden = HEADS[file.layout][1:]  # the hidden layer of the pre-training head, which fine-tuned weights lack
    if not (hidden and any(name.startswith(hidden) for name in file.tensors)):
        spec = without_representation(spec)
    chosen = whole_patches(spec, resolution)
    module = build(spec, len(bias), resolution=chosen)
    load(module, arrays)
    return Classifier(module, model, family(spec), None, _digest(file), len(bias), chosen)


def _digest(file: Checkpoint) -> str:
    """SHA-256 of a file's parameters, wherever it lies."""
    digest = hashlib.sha256()
    for name in sorted(file.tensors):
        digest.update(name.encode())
        digest.update(file.tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

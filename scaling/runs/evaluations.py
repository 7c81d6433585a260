"""Evaluations of one upstream: nearest neighbours, linear probes, calibration, robustness, the user's own functions."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from scaling.checkpoints import Classifier, upstream_classifier
from scaling.checks import check, check_label, named_error, short
from scaling.data.pipeline import Skipped, readable
from scaling.data.sources import (
    MultiLabels,
    aligned,
    highest_label,
    multi_labels,
    open_beside,
    open_split,
    single_labels,
)
from scaling.models import NonFiniteError
from scaling.randomness import holdout
from scaling.runs.fewshot import frozen_body, splits
from scaling.runs.heads import Test, Value, calibration, robustness
from scaling.runs.linear import knn_scores, linear_scores
from scaling.runs.official import official_dev_split
from scaling.specs import (
    KNN,
    Calibration,
    Dataset,
    Evaluation,
    EvaluationRun,
    LinearProbe,
    Pretrain,
    Released,
    Robustness,
    data_of,
    family,
    has_classifier,
    named_function,
)
from scaling.store import Storage, write_rows
from scaling.training import Device, Unit, attempt, features

Scores = Float[np.ndarray, "t K"]
Labels = Int[np.ndarray, " n"]


def evaluate(unit: EvaluationRun, *, checkpoint: str | None, storage: Storage, study: str, device: Device) -> None:
    """Do one evaluation of one upstream; commit its rows as one file.

    `checkpoint` is that of `scaling.checkpoints.load_upstream`. Raises ValueError for data that cannot be used and for
    a function that fails, and NonFiniteError for numbers that are none.
    """
    with attempt(evaluation_unit(unit), study, storage, device) as ledger, ledger.doing("evaluating"):
        upstream, evaluation = unit.upstream, unit.evaluation
        data = data_of(evaluation)
        about = {
            "evaluation_id": unit.id,
            "run_id": upstream.id,
            "name": upstream.name,
            "family": family(upstream.model),
            "protocol_id": evaluation.id,
            "evaluation": evaluation.name,
            "dataset": data and data.name,
            "resolution": unit.resolution,
        }
        rows = []
        for each in _values(unit, checkpoint, storage, device, ledger.skipped):
            if not math.isfinite(each.value):
                raise NonFiniteError(f"{each.metric} of evaluation {evaluation.name} is {each.value}, no finite number")
            columns = {"metric": each.metric, "setting": each.setting, "value": each.value, "headline": each.headline}
            rows.append(about | columns)
        write_rows(storage, "metric", rows)


def evaluation_unit(unit: EvaluationRun) -> Unit:
    """The evaluation as the ledger knows it."""
    return Unit(unit.id, "metric", unit.upstream.name, family(unit.upstream.model))


def _values(
    unit: EvaluationRun, checkpoint: str | None, storage: Storage, device: Device, skipped: Skipped
) -> Iterator[Value]:
    upstream, evaluation, resolution = unit.upstream, unit.evaluation, unit.resolution
    match evaluation:
        case KNN() | LinearProbe():
            module = frozen_body(upstream, checkpoint, resolution, device)
            yield from _of_features(evaluation, _Features(module, evaluation, resolution, storage, device, skipped))
        case Calibration() | Robustness():
            test = open_test(evaluation.data, _classifier(unit, checkpoint, device), storage, device, skipped)
            yield from (
                calibration(evaluation, test) if isinstance(evaluation, Calibration) else robustness(evaluation, test)
            )
        case Evaluation():
            if has_classifier(upstream):
                whole: nn.Module = _classifier(unit, checkpoint, device).module
            else:
                whole = frozen_body(upstream, checkpoint, resolution, device)
            yield from measured(evaluation, whole.eval(), device.torch)


def _classifier(unit: EvaluationRun, checkpoint: str | None, device: Device) -> Classifier:
    assert isinstance(unit.upstream, Pretrain | Released)  # `evaluated` says so
    classifier = upstream_classifier(unit.upstream, checkpoint, unit.resolution)
    classifier.module.to(device.torch)
    return classifier


def open_test(data: Dataset, classifier: Classifier, storage: Storage, device: Device, skipped: Skipped) -> Test:
    """The test images of a data set, whose classes are the classifier's of the same name, or number without names.

    Raises ValueError for a data set without a test URI, and, naming them, for classes that the classifier lacks.
    """
    if data.test is None:
        raise ValueError(f"data set {data.name} needs a test= URI in the study to run it")
    images, count = open_split(data.test, storage), classifier.num_classes
    labels = aligned(
        images.labels, images.classes, classifier.classes, f"classes of {data.name}", f"classes of {classifier.name}"
    )
    highest = highest_label(labels)
    check(highest < count, f"data set {data.name} has label {highest}, but {classifier.name} only {count} classes")
    if not isinstance(labels, MultiLabels):
        labels = multi_labels(labels, np.ones(len(labels), np.int64), None)
    index = np.flatnonzero(np.diff(labels.offsets))
    if data.corrupt == "skip":
        index = readable(images, index, skipped)
    check(len(index) > 0, f"no test image of {data.name} has a class and can be decoded")
    right = MultiLabels(labels.values, labels.offsets, count)
    return Test(classifier.module, classifier.resolution, device, images, right, index)


class _Features:
    """Features and labels of a data set's training and test images."""

    def __init__(
        self,
        module: Any,
        evaluation: KNN | LinearProbe,
        resolution: int,
        storage: Storage,
        device: Device,
        skipped: Skipped,
    ) -> None:
        data, purpose = evaluation.data, f"evaluation {evaluation.name}"
        train, test = splits(data, storage)
        index, tested = np.arange(len(train)), np.arange(len(test))
        if data.corrupt == "skip":
            index, tested = readable(train, index, skipped), readable(test, tested, skipped)
        assert data.num_classes is not None
        self.num_classes = data.num_classes
        self.labels = single_labels(train.labels, purpose)[index]
        self.test_labels = single_labels(test.labels, purpose)[tested]
        self.x = features(module, train, index, resolution, device)
        self.x_test = features(module, test, tested, resolution, device)
        # Not on a TPU, which has no float64.
        self.where = device.torch if device.kind == "cuda" else torch.device("cpu")
        if isinstance(evaluation, LinearProbe) and len(evaluation.l2) > 1:
            held = holdout(len(train), evaluation.dev_fraction, 0)[1]
            if data.dev is not None and data.train is not None:
                held = official_dev_split(train, open_beside(data.dev, data.train, storage))[1]
            self.held = np.isin(index, held)
            check(
                0 < self.held.sum() < len(index),
                f"dev_fraction {evaluation.dev_fraction} of the {len(index)} training images of {data.name} holds out "
                f"{self.held.sum()}: l2 is chosen on these",
            )


def _of_features(evaluation: KNN | LinearProbe, given: _Features) -> Iterator[Value]:
    if isinstance(evaluation, LinearProbe):
        yield from _linear(evaluation, given)
        return
    most = max(evaluation.k)
    check(
        most <= len(given.x),
        f"k of evaluation {evaluation.name} must be at most the {len(given.x)} training images of "
        f"{evaluation.data.name}, got {most}",
    )
    scores = knn_scores(
        given.x,
        given.labels,
        given.x_test,
        given.num_classes,
        evaluation.k,
        evaluation.temperature,
        given.where,
    )
    for k, votes in zip(evaluation.k, scores, strict=True):
        yield Value("top1", _top1(votes, given.test_labels), f"k={k}")


def _linear(probe: LinearProbe, given: _Features) -> Iterator[Value]:
    """Test accuracy at the strength that is best on the held-out share; of all strengths both accuracies."""
    kinds, method = given.num_classes, probe.method
    best = probe.l2[0]
    if len(probe.l2) > 1:
        fit, held = ~given.held, given.held
        scores = linear_scores(given.x[fit], given.labels[fit], given.x[held], kinds, method, probe.l2, given.where)
        dev = {l2: _top1(each, given.labels[held]) for l2, each in zip(probe.l2, scores, strict=True)}
        best = max(probe.l2, key=lambda l2: (dev[l2], l2))  # of equals the strongest, which is the simplest
        for l2, top1 in dev.items():
            yield Value("dev top1", top1, f"l2={l2:g}", headline=False)
    scores = linear_scores(given.x, given.labels, given.x_test, kinds, method, probe.l2, given.where)
    for l2, each in zip(probe.l2, scores, strict=True):
        top1 = _top1(each, given.test_labels)
        yield Value("top1", top1, f"l2={l2:g}", headline=False)
        if l2 == best:
            yield Value("top1", top1)
            yield Value("l2", l2, headline=False)


def _top1(scores: Scores, labels: Labels) -> float:
    if not np.isfinite(scores).all():
        raise NonFiniteError("scores by frozen features are NaN or infinite: a larger l2 makes a regression solvable")
    return float((scores.argmax(1) == labels).mean())


def measured(evaluation: Evaluation, model: nn.Module, device: torch.device) -> Iterator[Value]:
    """The numbers that the user's function returns. Raises ValueError, in one line, when it fails or returns others."""
    label = f"Evaluation {evaluation.path}"
    try:
        found = named_function(evaluation)(model, device, **dict(evaluation.options))
    except Exception as error:  # of any code of the user's
        raise ValueError(f"{label} failed: {named_error(error)}") from error
    check(
        isinstance(found, Mapping) and len(found) > 0,
        f"{label} must return numbers by name, such as {{'score': 0.5}}, it returned {short(found)}",
    )
    for name, number in found.items():
        check(isinstance(name, str), f"{label} must return numbers by name, got the name {short(name)}")
        check_label(f"number of {label}", name)
        try:
            value = float(number) if not isinstance(number, str | bool) else None
        except (TypeError, ValueError, RuntimeError):  # of tensors with several numbers
            value = None
        if value is None:
            raise ValueError(f"{label} must return numbers, got {short(number)} for {name}")
        yield Value(name, value)

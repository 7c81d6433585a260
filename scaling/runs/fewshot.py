"""Few-shot accuracy of frozen features: ridge regression in closed form (§4.1; details of the open code)."""

import numpy as np
import torch
from jaxtyping import Float, Int

from scaling.checkpoints import load_upstream
from scaling.data.pipeline import Skipped, readable
from scaling.data.sources import Images, open_beside, open_split, single_labels
from scaling.models import Model, NonFiniteError, build
from scaling.randomness import permute
from scaling.specs import Dataset, FewShot, Probe, Upstream, family, whole_patches
from scaling.store import Storage, write_rows
from scaling.training import Device, Unit, attempt, features

BIAS = 100.0  # constant feature: large, so that the penalty hardly shrinks the bias


def splits(data: Dataset, storage: Storage) -> tuple[Images, Images]:
    """The training and test images, with the classes of the first.

    Raises ValueError when the data set has no URI of one, it cannot be opened, or the classes do not fit.
    """
    if data.train is None or data.test is None:
        raise ValueError(f"data set {data.name} needs a train= and a test= URI in the study to run it")
    return open_split(data.train, storage), open_beside(data.test, data.train, storage)


def fewshot_top1(
    module: Model,
    fewshot: FewShot,
    train: Images,
    test: Images,
    *,
    resolution: int,
    device: Device,
    skipped: Skipped,
) -> dict[tuple[int, int], float]:
    """Test accuracy by (shots, seed). Only those training images are decoded that some seed chooses.

    Corrupt images are noted in `skipped` and left out if the data set says so. Raises ValueError for a multi-label set.
    """
    assert fewshot.data.num_classes is not None
    train_labels, test_labels = (single_labels(images.labels, "few-shot evaluation") for images in (train, test))
    chosen = {(shots, seed): choose(train_labels, shots, seed) for shots in fewshot.shots for seed in fewshot.seeds}
    used = np.unique(np.concatenate(list(chosen.values())))
    tested = np.arange(len(test))
    if fewshot.data.corrupt == "skip":
        used, tested = (readable(images, i, skipped) for images, i in ((train, used), (test, tested)))
    x_train = features(module, train, used, resolution, device)
    x_test = features(module, test, tested, resolution, device)
    accuracies = {}
    for key, index in chosen.items():
        index = index[np.isin(index, used)]
        x, labels = x_train[np.searchsorted(used, index)], train_labels[index]
        # One l2 for all data sets, as in the authors' later code: to pick the best for each would look at its test set.
        scores = ridge_scores(x, labels, x_test, fewshot.data.num_classes, fewshot.l2)
        if not np.isfinite(scores).all():
            shots, seed = key
            raise NonFiniteError(
                f"the scores of {fewshot.data.name} by {shots} images a class (seed {seed}, l2 {fewshot.l2:g}) are NaN "
                "or infinite: a larger l2 makes the regression solvable"
            )
        accuracies[key] = float((scores.argmax(1) == test_labels[tested]).mean())
    return accuracies


def choose(labels: Int[np.ndarray, " n"], shots: int, seed: int) -> Int[np.ndarray, " m"]:
    """Indices of `shots` random images of every class, or of all images of a class that has fewer."""
    # One order for all numbers of shots, so that more shots contain the fewer.
    order = permute(np.arange(len(labels)), len(labels), (seed, 0))
    return np.concatenate([order[labels[order] == c][:shots] for c in np.unique(labels)])


def ridge_scores(
    x: Float[np.ndarray, "n D"],
    labels: Int[np.ndarray, " n"],
    x_test: Float[np.ndarray, "t D"],
    num_classes: int,
    l2: float,
) -> Float[np.ndarray, "t K"]:
    """Scores of ridge regression from features to targets in {-1, 1}^K.

    Features are standardised with the training mean and standard deviation (+ 1e-5) and get a constant one appended.
    It is solved in the smaller of the two spaces: (X'X + l2 I) w = X'y with D unknowns, or X'(XX' + l2 I)^-1 y with n.
    Scores are NaN where that has no solution.
    """
    mean, std = x.mean(0), x.std(0) + 1e-5
    x, x_test = (np.pad((a - mean) / std, ((0, 0), (0, 1)), constant_values=BIAS) for a in (x, x_test))
    y = 2.0 * np.eye(num_classes)[labels] - 1.0
    n, d = x.shape
    try:
        if n >= d:
            weights = np.linalg.solve(x.T @ x + l2 * np.eye(d), x.T @ y)
        else:
            weights = x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(n), y)
    except np.linalg.LinAlgError:  # singular: without a penalty features can depend on each other
        return np.full((len(x_test), num_classes), np.nan)
    return x_test @ weights


def probe(unit: Probe, *, checkpoint: str | None, storage: Storage, study: str, device: Device) -> None:
    """Measure one upstream's few-shot accuracy for every number of shots and every seed; commit the rows as one file.

    Raises ValueError for data that cannot be used.
    """
    upstream, fewshot = unit.upstream, unit.fewshot
    with attempt(probe_unit(unit), study, storage, device) as ledger, ledger.doing("evaluating"):
        train, test = splits(fewshot.data, storage)
        resolution = whole_patches(upstream.model, fewshot.resolution)
        module = frozen_body(upstream, checkpoint, resolution, device)
        accuracies = fewshot_top1(
            module, fewshot, train, test, resolution=resolution, device=device, skipped=ledger.skipped
        )
        about = {
            "probe_id": unit.id,
            "run_id": upstream.id,
            "name": upstream.name,
            "family": family(upstream.model),
            "dataset": fewshot.data.name,
            "l2": fewshot.l2,
        }
        rows = [
            {**about, "shots": shots, "seed": seed, "test_top1": top1} for (shots, seed), top1 in accuracies.items()
        ]
        write_rows(storage, "fewshot", rows)


def frozen_body(upstream: Upstream, checkpoint: str | None, resolution: int, device: Device) -> Model:
    """The upstream on the device, to read its features: its classifier is one output of zeros.

    `checkpoint` is that of `load_upstream`, `resolution` in whole patches. A from-scratch baseline has its seed's
    initial weights. Raises the errors of `load_upstream`.
    """
    torch.manual_seed(upstream.seed)
    module = build(upstream.model, 1, resolution=resolution).to(device.torch)
    load_upstream(module, upstream, checkpoint)
    return module


def probe_unit(unit: Probe) -> Unit:
    """The probe as the ledger knows it."""
    return Unit(unit.id, "fewshot", unit.upstream.name, family(unit.upstream.model))

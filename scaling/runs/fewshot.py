"""Few-shot accuracy of frozen features: ridge regression in closed form (§4.1; details of the open code)."""

import numpy as np
import torch

from scaling.checkpoints import load_upstream
from scaling.data.pipeline import Skipped, readable
from scaling.data.sources import Images, open_split, single_labels
from scaling.models import BiTResNet, VisionTransformer, build
from scaling.randomness import permute
from scaling.specs import Dataset, FewShot, Probe, family, whole_patches
from scaling.store import Storage, write_rows
from scaling.training import Device, Unit, attempt, features

BIAS = 100.0  # constant feature: large, so that the bias is hardly regularised


def splits(data: Dataset, storage: Storage) -> tuple[Images, Images]:
    """The training and test images. Raises ValueError when the data set has no URI of one, or it cannot be opened."""
    if data.train is None or data.test is None:
        raise ValueError(f"data set {data.name} needs a train= and a test= URI in the study to run it")
    return open_split(data.train, storage), open_split(data.test, storage)


def fewshot_top1(
    module: VisionTransformer | BiTResNet,
    fewshot: FewShot,
    train: Images,
    test: Images,
    *,
    resolution: int,
    device: Device,
    skipped: Skipped,
) -> dict[tuple[int, int], float]:
    """Test accuracy by (shots, seed). Of the training images only the chosen ones are looked at.

    Corrupt images are noted in `skipped` and left out where the data set says so. Raises ValueError for a multi-label
    set.
    """
    assert fewshot.data.num_classes is not None
    train_labels, test_labels = (single_labels(images.labels, "few-shot evaluation") for images in (train, test))
    chosen = {(shots, seed): choose(train_labels, shots, seed) for shots in fewshot.shots for seed in fewshot.seeds}
    used = np.unique(np.concatenate(list(chosen.values())))
    judged = np.arange(len(test))
    if fewshot.data.corrupt == "skip":
        used, judged = (readable(images, i, skipped) for images, i in ((train, used), (test, judged)))
    x_train = features(module, train, used, resolution, device)
    x_test = features(module, test, judged, resolution, device)
    found = {}
    for key, index in chosen.items():
        index = index[np.isin(index, used)]
        x, labels = x_train[np.searchsorted(used, index)], train_labels[index]
        scores = ridge_scores(x, labels, x_test, fewshot.data.num_classes, fewshot.l2)
        found[key] = float((scores.argmax(1) == test_labels[judged]).mean())
    return found


def choose(labels: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Indices of `shots` random images of every class, or of all that a class has."""
    order = permute(np.arange(len(labels)), len(labels), (seed, 0))
    return np.concatenate([order[labels[order] == c][:shots] for c in np.unique(labels)])


def ridge_scores(x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, num_classes: int, l2: float) -> np.ndarray:
    """Scores [n_test, K] of ridge regression from features [n, D] to targets in {-1, 1}^K.

    Features are standardised with the training mean and standard deviation (+ 1e-5) and get a constant one appended.
    Solved in the smaller of the two spaces: (X'X + l2 I) w = X'y with D unknowns, or X'(XX' + l2 I)^-1 y with n.
    """
    mean, std = x.mean(0), x.std(0) + 1e-5
    x, x_test = (np.pad((a - mean) / std, ((0, 0), (0, 1)), constant_values=BIAS) for a in (x, x_test))
    y = 2.0 * np.eye(num_classes)[labels] - 1.0
    n, d = x.shape
    if n >= d:
        weights = np.linalg.solve(x.T @ x + l2 * np.eye(d), x.T @ y)
    else:
        weights = x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(n), y)
    return x_test @ weights


def probe(what: Probe, *, checkpoint: str | None, storage: Storage, study: str, device: Device) -> None:
    """Write the accuracies of one upstream for every number of shots and every seed, one file."""
    upstream, fewshot = what.upstream, what.fewshot
    with attempt(probe_unit(what), study, storage, device) as ledger, ledger.doing("evaluating"):
        train, test = splits(fewshot.data, storage)
        resolution = whole_patches(upstream.model, fewshot.resolution)
        torch.manual_seed(upstream.seed)
        module = build(upstream.model, 1, resolution=resolution).to(device.torch)
        load_upstream(module, upstream, checkpoint)
        found = fewshot_top1(module, fewshot, train, test, resolution=resolution, device=device, skipped=ledger.skipped)
        about = {
            "probe_id": what.id,
            "run_id": upstream.id,
            "name": upstream.name,
            "family": family(upstream.model),
            "dataset": fewshot.data.name,
            "l2": fewshot.l2,
        }
        rows = [{**about, "shots": shots, "seed": seed, "test_top1": top1} for (shots, seed), top1 in found.items()]
        write_rows(storage, "fewshot", rows)


def probe_unit(what: Probe) -> Unit:
    """The probe as the ledger knows it."""
    return Unit(what.id, "fewshot", what.upstream.name, family(what.upstream.model))

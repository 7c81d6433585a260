"""Linear few-shot evaluation: ridge regression on frozen features, in closed form (§4.1; details of the open code)."""

import numpy as np
import torch

from scaling import results
from scaling.data.labels import single
from scaling.data.ordering import permute
from scaling.data.preprocessing import readable
from scaling.data.sources import open_split
from scaling.models import build, load_pretrained
from scaling.specs import Probe, family, whole_patches
from scaling.storage import Storage
from scaling.training import state
from scaling.training.devices import Device
from scaling.training.evaluation import features
from scaling.training.ledger import Unit, attempt
from scaling.transfer import uris

BIAS = 100.0  # constant feature: large, so that the bias is hardly regularised


def probe(what: Probe, *, checkpoint: str | None, storage: Storage, study: str, device: Device) -> None:
    """Write the accuracies of one upstream for every number of shots and every seed, one file."""
    upstream, fewshot = what.upstream, what.fewshot
    with attempt(unit(what), study, storage, device) as ledger, ledger.doing("evaluating"):
        train, test = (open_split(uri, storage) for uri in uris(fewshot.data))
        labels, test_labels = (single(images.labels, "few-shot evaluation") for images in (train, test))
        judged = np.arange(len(test))
        resolution = whole_patches(upstream.model, fewshot.resolution)
        torch.manual_seed(upstream.seed)
        assert fewshot.data.num_classes is not None
        module = build(upstream.model, 1, resolution=resolution).to(device.torch)
        if checkpoint is not None:
            load_pretrained(module, state.read_weights(Storage.of(checkpoint)))
        chosen = {(shots, seed): choose(labels, shots, seed) for shots in fewshot.shots for seed in fewshot.seeds}
        used = np.unique(np.concatenate(list(chosen.values())))
        if fewshot.data.corrupt == "skip":
            used, judged = (readable(images, i, ledger.skipped) for images, i in ((train, used), (test, judged)))
        x_train = features(module, train, used, resolution, device)
        x_test = features(module, test, judged, resolution, device)
        rows = []
        for (shots, seed), index in chosen.items():
            index = index[np.isin(index, used)]
            x = x_train[np.searchsorted(used, index)]
            scores = ridge_scores(x, labels[index], x_test, fewshot.data.num_classes, fewshot.l2)
            rows.append(
                {
                    "probe_id": what.id,
                    "run_id": upstream.id,
                    "name": upstream.name,
                    "family": family(upstream.model),
                    "dataset": fewshot.data.name,
                    "shots": shots,
                    "seed": seed,
                    "l2": fewshot.l2,
                    "test_top1": float((scores.argmax(1) == test_labels[judged]).mean()),
                }
            )
        results.write(storage, "fewshot", rows)


def unit(what: Probe) -> Unit:
    """The probe as the ledger knows it."""
    return Unit(what.id, "fewshot", what.upstream.name, family(what.upstream.model))


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

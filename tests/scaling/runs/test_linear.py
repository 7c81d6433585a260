"""Classifiers on frozen features against scikit-learn's on the same features."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from scaling.runs.linear import knn_scores, linear_scores

CPU = torch.device("cpu")
L2 = (100.0, 0.5, 10_000.0, 1e8)  # in no order


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Matrices this small are no work for several, which wait for each other where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(n: int, d: int, t: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of five classes that overlap, of any scale, their labels, and features to test on."""
    rng = np.random.default_rng(n + d)
    centres, scale = rng.normal(size=(5, d)), 10 ** rng.uniform(-2, 2, d)
    labels, others = rng.integers(0, 5, n), rng.integers(0, 5, t)
    x, x_test = (scale * (centres[which] + 2 * rng.normal(size=(len(which), d)) + 1) for which in (labels, others))
    return x, labels, x_test


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_votes_of_neighbours(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.runs.linear.BLOCK", 7 * 300)  # several blocks, the last one shorter
    x, labels, x_test = drawn(300, 12)
    ks = (1, 20, 10)
    for k, scores in zip(ks, knn_scores(x, labels, x_test, 5, ks, temperature, CPU), strict=True):
        model = KNeighborsClassifier(
            k, metric="cosine", algorithm="brute", weights=lambda far: np.exp((1 - far) / temperature)
        )
        expected = model.fit(x, labels).predict_proba(x_test)
        assert np.abs(scores / scores.sum(1, keepdims=True) - expected).max() < 1e-6
        assert (scores.argmax(1) == model.predict(x_test)).all()


@pytest.mark.parametrize(("n", "d"), [(300, 20), (40, 90), (30, 30)])
def test_ridge(n: int, d: int) -> None:
    """With more images than features, and fewer."""
    x, labels, x_test = drawn(n, d)
    mean, std = x.mean(0), x.std(0) + 1e-5
    targets = np.where(np.arange(5) == labels[:, None], 1.0, -1.0)
    for l2, scores in zip(L2, linear_scores(x, labels, x_test, 5, "ridge", L2, CPU), strict=True):
        expected = Ridge(alpha=l2).fit((x - mean) / std, targets).predict((x_test - mean) / std)
        assert np.abs(scores - expected).max() < 1e-6


def test_logistic_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.runs.linear.BLOCK", 5 * 128)  # three blocks of images
    x, labels, x_test = drawn(300, 20)
    mean, std = x.mean(0), x.std(0) + 1e-5
    for l2, scores in zip(L2, linear_scores(x, labels, x_test, 5, "logistic", L2, CPU), strict=True):
        model = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000).fit((x - mean) / std, labels)
        probabilities = torch.from_numpy(scores).softmax(1).numpy()
        assert np.abs(probabilities - model.predict_proba((x_test - mean) / std)).max() < 1e-4
        assert (scores.argmax(1) == model.predict((x_test - mean) / std)).all()

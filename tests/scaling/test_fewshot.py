"""Few-shot evaluation against scikit-learn, in both of its forms."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from scaling import results
from scaling.fewshot import BIAS, choose, probe, ridge_scores
from scaling.pretrain import pretrain
from scaling.specs import FewShot, Pretrain, Probe, Scratch
from scaling.storage import Storage
from scaling.training.devices import local_device


@pytest.mark.parametrize(("n", "d"), [(200, 12), (15, 40), (30, 30)], ids=["primal", "dual", "square"])
def test_scores_equal_ridge(n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    x, x_test, labels = rng.normal(2, 3, (n, d)), rng.normal(2, 3, (50, d)), rng.integers(0, 5, n)
    l2 = 2.0**10
    mean, std = x.mean(0), x.std(0) + 1e-5
    standard, standard_test = ((a - mean) / std for a in (x, x_test))
    with_bias, with_bias_test = (np.hstack([a, np.full((len(a), 1), BIAS)]) for a in (standard, standard_test))
    targets = np.where(np.arange(5) == labels[:, None], 1.0, -1.0)
    expected = Ridge(alpha=l2, fit_intercept=False).fit(with_bias, targets).predict(with_bias_test)
    np.testing.assert_allclose(ridge_scores(x, labels, x_test, 5, l2), expected, atol=1e-6)


def test_choice_is_balanced_nested_and_seeded() -> None:
    labels = np.repeat(np.arange(4), [10, 10, 10, 3])
    five = choose(labels, 5, seed=0)
    assert np.bincount(labels[five]).tolist() == [5, 5, 5, 3]  # a class of three gives three
    assert set(choose(labels, 1, seed=0)) <= set(five)
    assert set(choose(labels, 5, seed=1)) != set(five)


def test_a_probe_writes_one_row_for_each_number_of_shots_and_seed(tiny_run: Pretrain, storage: Storage) -> None:
    run = replace(tiny_run, model=replace(tiny_run.model, representation_size=8))  # probed before its tanh
    pretrain(run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    fewshot = FewShot(run.data, shots=(1, 5), seeds=(0, 1), resolution=16)
    for upstream, checkpoint in (
        (run, storage.path(f"checkpoints/{run.id}/final")),
        (Scratch("tiny", run.model), None),
    ):
        what = Probe(upstream, fewshot)
        probe(what, checkpoint=checkpoint, storage=storage, study="x", device=local_device())
        rows = results.read(storage, "fewshot").filter(probe_id=what.id)
        assert sorted(rows.select("shots", "seed").rows()) == [(1, 0), (1, 1), (5, 0), (5, 1)]
        assert rows["test_top1"].is_between(0, 1).all()

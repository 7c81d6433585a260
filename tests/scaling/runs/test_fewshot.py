"""Few-shot evaluation against scikit-learn, in both of its forms."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from scaling.runs.fewshot import BIAS, choose, probe, ridge_scores
from scaling.runs.pretrain import pretrain
from scaling.specs.architectures import ViT
from scaling.specs.pretraining import FewShot, Pretrain, Scratch
from scaling.specs.recipe import MaskedPatches
from scaling.specs.study import Probe
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device


@pytest.mark.parametrize("l2", [2.0**-3, 2.0**10])
@pytest.mark.parametrize(("n", "d"), [(200, 12), (900, 200), (15, 40), (50, 768), (30, 30), (30, 29), (29, 29)])
def test_scores_equal_ridge(n: int, d: int, l2: float) -> None:
    """In the primal (more images than features and the bias) and in the dual, features of any scale."""
    rng = np.random.default_rng(n)
    scale = 10 ** rng.uniform(-3, 3, d)
    x, x_test = (scale * (rng.normal(2, 3, (count, d)) + rng.normal(size=(count, 1))) for count in (n, 50))
    labels = rng.integers(0, 5, n)
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
    assert isinstance(tiny_run.model, ViT)
    run = replace(tiny_run, model=replace(tiny_run.model, representation_size=8))  # probed before its tanh
    pretrain(run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    fewshot = FewShot(run.data, shots=(1, 5), seeds=(0, 1), resolution=16)
    for upstream, checkpoint in (
        (run, storage.path(f"checkpoints/{run.id}/final")),
        (Scratch("tiny", run.model), None),
    ):
        what = Probe(upstream, fewshot)
        probe(what, checkpoint=checkpoint, storage=storage, study="x", device=local_device())
        rows = frames.read_table(storage, "fewshot").filter(probe_id=what.id)
        assert sorted(rows.select("shots", "seed").rows()) == [(1, 0), (1, 1), (5, 0), (5, 1)]
        assert rows["test_top1"].is_between(0, 1).all()


def test_a_run_is_watched_by_few_shot_accuracy_without_a_change(tiny_run: Pretrain, tmp_path: Path) -> None:
    """The same id, the same weights to the bit, and accuracies at the evaluations; the last one is a probe's."""
    watched = replace(tiny_run, fewshot=FewShot(tiny_run.data, shots=(5,), resolution=16), evaluations=3)
    plain = replace(tiny_run, evaluations=3)
    assert watched.id == plain.id
    rows = []
    for name, run in (("watched", watched), ("plain", plain)):
        storage = Storage.of(tmp_path / name)
        pretrain(run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
        rows.append({table: frames.read_table(storage, table) for table in ("pretrain", "curve")})
    assert rows[0]["pretrain"]["weights_sha256"].equals(rows[1]["pretrain"]["weights_sha256"])
    assert rows[0]["curve"].drop("fewshot_top1").equals(rows[1]["curve"].drop("fewshot_top1"))
    assert rows[1]["curve"]["fewshot_top1"].is_null().all()
    curve = rows[0]["curve"].sort("step").drop_nulls("fewshot_top1")
    assert curve["step"].to_list() == [8, 16, 24]

    assert watched.fewshot is not None
    storage = Storage.of(tmp_path / "watched")
    checkpoint = storage.path(f"checkpoints/{watched.id}/final")
    probe(Probe(watched, watched.fewshot), checkpoint=checkpoint, storage=storage, study="x", device=local_device())
    assert curve["fewshot_top1"][-1] == pytest.approx(frames.read_table(storage, "fewshot")["test_top1"].mean())


def test_runs_without_a_held_out_share_and_masked_ones_are_watched(tiny_run: Pretrain, storage: Storage) -> None:
    fewshot = FewShot(tiny_run.data, shots=(1,), seeds=(0,), resolution=16)
    plain = replace(tiny_run, dev_fraction=0.0, fewshot=fewshot, evaluations=2)
    for run in (plain, replace(plain, masked=MaskedPatches(target="pixels"))):
        pretrain(run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
        curve = frames.read_table(storage, "curve").filter(run_id=run.id)
        assert (len(curve.drop_nulls("fewshot_top1")), len(curve.drop_nulls("dev_top1"))) == (2, 0)


def test_what_is_no_one_curve_is_an_error(tiny_run: Pretrain) -> None:
    for wrong in (FewShot(tiny_run.data, resolution=16), FewShot(tiny_run.data, shots=(5,), resolution=32)):
        with pytest.raises(ValueError, match="one number of shots, and the run's resolution 16"):
            replace(tiny_run, fewshot=wrong)

"""Evaluations of one upstream, without Ray: what its rows say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scaling.models.finite import NonFiniteError
from scaling.runs.evaluations import evaluate
from scaling.runs.heads import calibration_error
from scaling.runs.pretrain import pretrain
from scaling.specs.data import Dataset
from scaling.specs.evaluations import CORRUPTIONS, KNN, Calibration, Evaluation, LinearProbe, Robustness
from scaling.specs.pretraining import Pretrain, Scratch
from scaling.specs.study import EvaluationRun
from scaling.store import frames, results
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.evaluation import accuracy
from tests.helpers import measures


@pytest.fixture(scope="module")
def trained(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pretrain, Storage]:
    """A tiny run that has learned something, and where its checkpoint lies."""
    from tests.helpers.specs import RECIPE, TINY

    storage = Storage.of(tmp_path_factory.mktemp("evaluations"))
    run = Pretrain("tiny", TINY, data, 5e-3, 15, replace(RECIPE, dropout=0.0), resolution=16)
    pretrain(run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    return run, storage


def rows_of(evaluation: Any, trained: tuple[Pretrain, Storage], upstream: Any = None) -> list[dict[str, Any]]:
    run, storage = trained
    unit = EvaluationRun(upstream or run, evaluation)
    checkpoint = storage.path(f"checkpoints/{run.id}/final") if upstream is None else None
    evaluate(unit, checkpoint=checkpoint, storage=storage, study="x", device=local_device())
    return frames.read_table(storage, "metric", ids=[unit.id]).to_dicts()


def by_setting(rows: list[dict[str, Any]], metric: str) -> dict[str, float]:
    return {row["setting"]: row["value"] for row in rows if row["metric"] == metric}


def test_calibration_error_is_that_of_bins_by_hand() -> None:
    confidence = np.array([0.05, 0.1, 0.55, 0.6, 0.95, 1.0])
    correct = np.array([False, True, True, False, True, True])
    # of ten bins three hold two images each: (0, 0.1], (0.5, 0.6] and (0.9, 1]
    assert calibration_error(confidence, correct, 10) == pytest.approx(2 / 6 * (0.425 + 0.075 + 0.025))
    assert calibration_error(confidence, correct, 2) == pytest.approx((2 * 0.425 + abs(3 - 3.1)) / 6)
    assert calibration_error(confidence, correct, 1) == pytest.approx(abs(4 / 6 - confidence.mean()))
    assert calibration_error(np.zeros(3), np.zeros(3, bool), 15) == 0


def test_nearest_neighbours_and_linear_probes(trained: tuple[Pretrain, Storage]) -> None:
    run, _ = trained
    twin = replace(run.data, test=run.data.train)  # of an image that is there, the nearest is itself
    rows = rows_of(KNN(twin, k=(1, 96)), trained)
    assert by_setting(rows, "top1").keys() == {"k=1", "k=96"}
    assert by_setting(rows, "top1")["k=1"] == 1
    assert {(row["dataset"], row["evaluation"], row["resolution"]) for row in rows} == {(run.data.name, "knn", 16)}
    for method in ("ridge", "logistic"):
        probe = LinearProbe(run.data, method, l2=(1.0, 1e9), dev_fraction=0.25)
        rows = rows_of(probe, trained)
        top1, dev = by_setting(rows, "top1"), by_setting(rows, "dev top1")
        assert dev.keys() == {"l2=1", "l2=1e+09"}
        best = max(dev, key=lambda setting: (dev[setting], float(setting[3:])))
        assert top1[""] == top1[best]
        assert by_setting(rows, "l2")[""] == float(best[3:])
        assert [row["setting"] for row in rows if row["headline"]] == [""]
    (one,) = (row for row in rows_of(LinearProbe(run.data, l2=(1.0,)), trained) if row["headline"])
    assert (one["setting"], one["metric"]) == ("", "top1")  # without a choice
    # a baseline is judged by its initial weights
    assert rows_of(KNN(run.data, resolution=16), trained, Scratch("tiny", run.model))[0]["value"] < 1


def test_more_neighbours_than_images_and_no_held_out_image_are_one_line(trained: tuple[Pretrain, Storage]) -> None:
    run, _ = trained
    with pytest.raises(ValueError, match=r"k of evaluation knn must be at most the 96 training images of .*, got 97"):
        rows_of(KNN(run.data, k=(97,)), trained)
    with pytest.raises(ValueError, match=r"dev_fraction 0.001 of the 96 training images of .* holds out 0"):
        rows_of(LinearProbe(run.data, dev_fraction=0.001), trained)


def test_calibration_is_that_of_the_models_own_classifier(trained: tuple[Pretrain, Storage]) -> None:
    from scaling.checkpoints.classifier import upstream_classifier
    from scaling.data.sources.read import open_split

    run, storage = trained
    rows = rows_of(Calibration(run.data), trained)
    found = {row["metric"]: row["value"] for row in rows}
    module = upstream_classifier(run, storage.path(f"checkpoints/{run.id}/final"), 16).module
    assert run.data.test is not None
    images = open_split(run.data.test, storage)
    top1, loss = accuracy(module, images, np.arange(len(images)), 16, local_device())
    assert found["top1"] == top1
    assert found["nll"] == pytest.approx(loss, rel=1e-5)
    assert 0 < found["ece"] < 1
    with pytest.raises(ValueError, match="data set other has label 5, but tiny only 4 classes"):
        rows_of(Calibration(Dataset("other", test="ifs:classes=6,images=10,size=16,split=test")), trained)
    with pytest.raises(ValueError, match="data set other needs a test= URI"):
        rows_of(Calibration(Dataset("other")), trained)


def test_robustness_is_accuracy_by_corruption_and_severity(trained: tuple[Pretrain, Storage]) -> None:
    run, _ = trained
    names = ("contrast", "gaussian_noise")
    rows = rows_of(Robustness(run.data, names, (1, 5), baseline=(("contrast", 0.5), ("gaussian_noise", 1.0))), trained)
    top1 = by_setting(rows, "top1")
    assert top1.keys() == {"contrast 1", "contrast 5", "gaussian_noise 1", "gaussian_noise 5"}
    errors = [1 - (top1[f"{name} 1"] + top1[f"{name} 5"]) / 2 for name in names]
    assert by_setting(rows, "mean error")[""] == pytest.approx(sum(errors) / 2)
    assert by_setting(rows, "mCE")[""] == pytest.approx((errors[0] / 0.5 + errors[1]) / 2)
    assert {row["metric"] for row in rows if row["headline"]} == {"mean error", "mCE"}


@pytest.mark.slow
def test_stronger_corruptions_make_more_errors(data: Dataset, storage: Storage) -> None:
    from scaling.data.catalog import ifs
    from scaling.data.resolve import resolve
    from tests.helpers.specs import RECIPE, TINY

    many = resolve(ifs(classes=4, images=400, size=16))
    run = Pretrain("tiny", TINY, many, 5e-3, 20, replace(RECIPE, dropout=0.0, batch_size=32), resolution=16)
    pretrain(run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    top1 = by_setting(rows_of(Robustness(many), (run, storage)), "top1")
    means = [np.mean([top1[f"{name} {severity}"] for name in CORRUPTIONS]) for severity in range(1, 6)]
    assert means == sorted(means, reverse=True)
    assert means[0] - means[4] > 0.1


def test_a_function_of_the_users(trained: tuple[Pretrain, Storage]) -> None:
    run, _ = trained
    rows = rows_of(Evaluation(measures.sizes, {"images": 3}), trained)
    assert {row["metric"]: row["value"] for row in rows} == {"outputs": 4, "width": 16}
    assert {row["evaluation"] for row in rows} == {"sizes"}
    rows = rows_of(Evaluation(measures.sizes, resolution=16), trained, Scratch("tiny", run.model))
    assert by_setting(rows, "outputs")[""] == 1  # no classifier


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        (Evaluation(measures.broken), r"Evaluation tests.helpers.measures:broken failed: KeyError: 'nothing\\nhere'"),
        (Evaluation(measures.returned, {"what": "text"}), "must return numbers, got '0.5' for score"),
        (Evaluation(measures.returned, {"what": "nothing"}), "must return numbers by name, .* it returned {}"),
        (Evaluation(measures.returned, {"what": "list"}), r"must return numbers by name, .* it returned \[1.0\]"),
    ],
)
def test_a_function_that_fails_is_one_line(
    evaluation: Evaluation, said: str, trained: tuple[Pretrain, Storage]
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        rows_of(evaluation, trained)
    assert "\n" not in str(error.value)


def test_a_number_that_is_none_leaves_no_row(trained: tuple[Pretrain, Storage]) -> None:
    run, storage = trained
    evaluation = Evaluation(measures.returned, {"what": "nan"})
    with pytest.raises(NonFiniteError, match="score of evaluation returned is nan, no finite number"):
        rows_of(evaluation, trained)
    unit = EvaluationRun(run, evaluation)
    assert results.read_row(storage, "metric", unit.id) is None
    attempt = frames.attempts_of(storage, [unit.id]).to_dicts()[0]
    assert (attempt["kind"], attempt["outcome"]) == ("metric", "failed")

"""Evaluations as values: what is refused, in one line, and what of them is in an id."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scaling.schedule.pairs import check_units, evaluation_runs
from scaling.specs.data import Dataset
from scaling.specs.evaluations import (
    ALEXNET,
    KNN,
    Calibration,
    Evaluation,
    LinearProbe,
    Robustness,
    check_function,
)
from scaling.specs.identity import from_json, to_json
from scaling.specs.pretraining import Pretrain, Scratch
from scaling.specs.recipe import MaskedPatches
from scaling.specs.study import EvaluationRun, Study
from tests.helpers import measures

DATA = Dataset("pictures", num_classes=10, num_train=100, num_test=10)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: KNN(DATA, k=()), "k of knn must be one or more, got none"),
        (lambda: KNN(DATA, k=(0,)), "k of knn must be positive"),
        (lambda: KNN(DATA, k=(5, 5)), "k of knn must differ"),
        (lambda: KNN(DATA, temperature=0.0), "temperature of knn must be 0.01 or more, got 0.0"),
        (lambda: KNN(DATA, resolution=0), "resolution of evaluation knn must be positive, got 0"),
        (lambda: KNN(DATA, name="a\nb"), "name of an evaluation"),
        (lambda: LinearProbe(DATA, method="sgd"), "method must be one of ridge, logistic, got 'sgd'"),  # type: ignore[arg-type]
        (lambda: LinearProbe(DATA, l2=(0.0,)), "l2 of a linear probe must be positive"),
        (lambda: LinearProbe(DATA, dev_fraction=1.0), r"dev_fraction of a linear probe must be in \(0, 1\), got 1.0"),
        (lambda: Calibration(DATA, bins=0), "bins of calibration must be 1 to 10,000, got 0"),
        (lambda: Robustness(DATA, corruptions=("rain",)), r"corruptions must be of gaussian_noise, .*, got \['rain'\]"),
        (lambda: Robustness(DATA, severities=(6,)), r"severities must be of 1 to 5, got \(6,\)"),
        (lambda: Robustness(DATA, baseline=ALEXNET[:14]), "baseline must have an error .* lacks jpeg_compression"),
        (lambda: Robustness(DATA, ("fog",), baseline=(("fog", 50.0),)), r"errors of a baseline must be in \(0, 1\]"),
        (lambda: Evaluation("measures"), "Evaluation path must be 'module:name', got 'measures'"),
        (lambda: Evaluation(lambda model, device: {}), "needs a function or class that can be imported"),
        (lambda: check_function(Evaluation("no_such:f")), "Evaluation no_such:f cannot be imported"),
        (
            lambda: check_function(Evaluation(measures.alone)),
            r"must take \(model, device\) and its options: .*too many",
        ),
        (lambda: check_function(Evaluation(measures.sizes, {"size": 3})), "unexpected keyword argument 'size'"),
        (lambda: check_function(Evaluation("tests.helpers.measures:torch")), "must be a function or class"),
    ],
)
def test_a_mistake_is_one_line(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_study_refuses_evaluations_that_it_cannot_tell_apart_or_make(tiny_run: Pretrain) -> None:
    knn = KNN(DATA, resolution=16)
    with pytest.raises(ValueError, match=r"same evaluation \(name= tells them apart\) twice"):
        Study("s", (tiny_run,), evaluations=(knn, replace(knn, k=(5,))))
    Study("s", (tiny_run,), evaluations=(knn, replace(knn, k=(5,), name="knn of 5")))
    masked = replace(tiny_run, masked=MaskedPatches(), recipe=replace(tiny_run.recipe, dropout=0.0))
    with pytest.raises(ValueError, match="evaluation calibration of study s needs an upstream with a classifier"):
        Study("s", (masked,), evaluations=(Calibration(DATA),))
    scratch = Scratch("tiny", tiny_run.model)
    with pytest.raises(ValueError, match="evaluation knn needs a resolution= for tiny, which has none"):
        check_units(Study("s", (tiny_run,), scratch=(scratch,), evaluations=(KNN(DATA),)))
    with pytest.raises(ValueError, match="resolution 4 of evaluation knn is below one patch of tiny, 8 pixels"):
        check_units(Study("s", (tiny_run,), evaluations=(KNN(DATA, resolution=4),)))


def test_units_are_the_evaluations_that_an_upstream_can_have(tiny_run: Pretrain) -> None:
    masked = replace(tiny_run, masked=MaskedPatches(), recipe=replace(tiny_run.recipe, dropout=0.0))
    all_five = (
        KNN(DATA, resolution=17),
        LinearProbe(DATA, resolution=16),
        Calibration(DATA),
        Robustness(DATA),
        Evaluation(measures.sizes, resolution=16),
    )
    study = Study("s", (tiny_run, masked), scratch=(Scratch("tiny", tiny_run.model),), evaluations=all_five)
    made = evaluation_runs(study)
    assert [len([run for run in made if run.upstream is each]) for each in (tiny_run, masked)] == [5, 3]
    assert len(made) == 5 + 3 + 3
    assert {run.resolution for run in made} == {16}  # whole patches of 8 pixels; None: the run's own
    assert from_json(Study, to_json(study)) == study
    assert (
        from_json(Study, to_json(replace(study, evaluations=())).replace('"evaluations": [], ', "")).evaluations == ()
    )


def test_names_are_outside_an_id_and_the_rest_is_in_it(tiny_run: Pretrain) -> None:
    evaluation = Evaluation(measures.sizes, {"images": 2})
    changes: list[dict[str, Any]] = [
        {"path": measures.broken, "options": ()},
        {"options": {"images": 3}},
        {"resolution": 16},
        {"version": "2"},
    ]
    ids = {EvaluationRun(tiny_run, replace(evaluation, **change)).id for change in changes}
    own = EvaluationRun(tiny_run, evaluation).id
    assert len(ids | {own}) == 5
    assert EvaluationRun(tiny_run, replace(evaluation, name="other")).id == own

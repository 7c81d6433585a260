"""Evaluations of a tiny study through a real Ray: every unit, nothing twice, and a failure that stops no other."""

from dataclasses import replace

import pytest
from rich.console import Console

from analysis.accounting.plan import plan_study
from clusters.hardware import chip_named
from clusters.run import run
from scaling.schedule.pending import is_finished, without_result
from scaling.schedule.status import study_status
from scaling.specs.data import Dataset
from scaling.specs.evaluations import KNN, Calibration, Evaluation
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from scaling.store import frames
from scaling.store.storage import Storage
from tests.helpers import measures
from tests.helpers.specs import RECIPE, TINY

pytestmark = [pytest.mark.usefixtures("cluster"), pytest.mark.slow]  # `test_run` has evaluations too
QUIET = Console(quiet=True)


def test_a_study_with_evaluations(data: Dataset, storage: Storage) -> None:
    tiny = Pretrain("tiny", TINY, data, 1e-3, 1, RECIPE, resolution=16)
    whole = (KNN(data), Calibration(data), Evaluation(measures.sizes))
    study = Study("tiny", (tiny,), evaluations=(*whole, Evaluation(measures.broken)), hardware="cpu")
    assert plan_study(study, chip_named("cpu")).as_json()["evaluations"] == 4
    assert run(study, storage, QUIET) == 1
    assert without_result(study, storage, {}) == ["1 evaluation without a result: broken of tiny"]
    rows = frames.read_table(storage, "metric")
    assert set(rows["evaluation"]) == {"knn", "calibration", "sizes"}
    assert rows["value"].is_finite().all()
    storage.write("study.json", to_json(study).encode())
    assert [(stage.name, stage.done, stage.left) for stage in study_status(storage).stages][-1] == ("evaluations", 3, 1)

    mended = replace(study, evaluations=whole)
    assert is_finished(mended, storage, {})
    before = frames.read_table(storage, "attempt").height
    assert run(mended, storage, QUIET) == 0
    assert frames.read_table(storage, "attempt").height == before

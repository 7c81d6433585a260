from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from analysis.accounting import plan_vs_actual as actual
from analysis.accounting.plan import plan_study
from analysis.rows import load_rows, stored_study
from clusters.hardware.catalogue import chip_named
from scaling.data.catalog import ifs
from scaling.flops.counts import pretrain_flops
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain
from scaling.specs.recipe import Recipe
from scaling.specs.study import Study
from scaling.specs.zoo import ZOO
from scaling.store.storage import Storage
from tests.helpers import finished_study as made

DATA = replace(ifs(classes=2, images=8, size=16), num_classes=2, num_train=16, num_test=8, fingerprint="f")
RUNS = tuple(
    Pretrain(name, ZOO[name], DATA, 0.1, 8, Recipe(batch_size=4), resolution=16)
    for name in ("ViT-micro-S/4", "ViT-micro-M/4")
)
STUDY = Study("s", RUNS, hardware="cpu")


def attempts(storage: Storage, *, half: bool = False, device: str = "cpu") -> pl.DataFrame:
    run = RUNS[0]
    share = 0.5 if half else 1.0
    flops = share * pretrain_flops(run, valid=True)
    about = {"unit_id": run.id, "name": run.name, "device": device, "cores": 2, "train_flops_valid": flops}
    made.attempt(storage, "a", "pretrain", **about, seconds_total=43_200.0)
    made.attempt(storage, "b", "pretrain", unit_id="other", name="gone", device="cpu")
    return load_rows(storage).attempt


def test_the_plan_beside_what_was_done(storage: Storage) -> None:
    compared = actual.against_plan(STUDY, attempts(storage, half=True), load_rows(storage).pretrain)
    assert compared["name"].to_list() == ["ViT-micro-S/4", "ViT-micro-M/4", "gone"]
    first, second, unplanned = compared.to_dicts()
    assert first["planned_exaflops"] == pytest.approx(pretrain_flops(RUNS[0], valid=True) / 1e18)
    assert first["done_share"] == pytest.approx(0.5)
    assert first["core_days"] == 1.0
    due = 0.5 * plan_study(STUDY, chip_named("cpu")).runs[0].core_days
    assert first["cost_ratio"] == pytest.approx(1 / due)
    assert (second["done_share"], second["attempts"], second["cost_ratio"]) == (0.0, None, None)
    assert unplanned["planned_exaflops"] is None
    families = actual.plan_vs_actual_by_family(compared.head(2)).row(0, named=True)
    assert families["runs"] == 2
    assert families["planned_exaflops"] == pytest.approx(sum(pretrain_flops(run, valid=True) for run in RUNS) / 1e18)


def test_a_chip_without_a_rate_has_no_planned_core_days(storage: Storage) -> None:
    rows = attempts(storage, device="abacus").filter(device="abacus")
    compared = actual.against_plan(STUDY, rows, load_rows(storage).pretrain)
    assert compared["planned_core_days"].null_count() == compared.height
    assert compared["done_share"][0] == pytest.approx(1.0)


def test_core_days_of_different_chips_are_not_compared(storage: Storage) -> None:
    assert actual.against_plan(STUDY, attempts(storage, device="tpu-v3"), load_rows(storage).pretrain).is_empty()


@pytest.mark.parametrize("content", [None, b"{ torn", b'{"name": "old"}'])
def test_without_a_study_there_is_no_plan(storage: Storage, content: bytes | None) -> None:
    if content is not None:
        storage.write("study.json", content)
    assert stored_study(storage) is None
    assert actual.against_plan(None, attempts(storage), load_rows(storage).pretrain).is_empty()


def test_the_study_is_read_back(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    storage.write("study.json", to_json(STUDY).encode())
    assert stored_study(storage) == STUDY


def test_mishaps_say_how_the_work_went_on(study: Storage) -> None:
    missed = actual.mishaps(load_rows(study).attempt).sort("kind")
    assert missed["what"].to_list() == ["killed or not ended yet", "failed"]
    assert missed["after"].to_list() == ["done by another attempt", "not done"]
    assert missed["lost"].to_list() == [60.0, 160.0]
    said = actual.restarts(load_rows(study).attempt)
    assert said.startswith("6 attempts at 5 units of work; 1 needed more than one, at most 2.")
    assert said.endswith("1 units were begun and are not done.")

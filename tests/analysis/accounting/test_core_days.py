from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.accounting import (
    CAUSES,
    TIME_PARTS,
    core_time_account,
    core_time_by_family,
    core_time_by_kind,
    core_time_by_model,
    core_time_by_run,
    core_time_losses,
    inconsistent_costs,
    mixed_devices_note,
)
from analysis.accounting.consistency import implied_speed
from analysis.accounting.core_days import core_time_by_study
from analysis.rows import load_rows
from clusters.hardware.catalogue import catalogue
from scaling.store.storage import Storage
from tests.helpers import finished_study as made

SECONDS = st.floats(0, 1e6)


@st.composite
def attempt(draw: st.DrawFn) -> dict[str, Any]:
    training, evaluating, waiting, rest = (draw(SECONDS) for _ in range(4))
    return {
        "device": draw(st.sampled_from(["cpu", "tpu_v3"])),
        "kind": draw(st.sampled_from(["pretrain", "trial"])),
        "name": draw(st.sampled_from("ab")),
        "family": "vit",
        "cores": draw(st.integers(1, 512)),
        "seconds_training": training,
        "seconds_evaluating": evaluating,
        "seconds_waiting": waiting,
        "seconds_lost": training * draw(st.floats(0, 1)),
        "seconds_total": training + evaluating + waiting + rest,
        "seconds_starting": draw(st.none() | SECONDS),
        "train_flops_valid": draw(SECONDS),
        "outcome": draw(st.sampled_from(["done", "failed", "running", "killed"])),
    }


@settings(deadline=None, max_examples=40)
@given(st.lists(attempt(), min_size=1, max_size=6))
def test_the_parts_add_up_to_the_core_time_used(rows: list[dict[str, Any]]) -> None:
    attempts = pl.DataFrame(rows, schema_overrides={"seconds_starting": pl.Float64})
    held = sum(row["cores"] * (row["seconds_total"] + (row["seconds_starting"] or 0.0)) for row in rows)
    for frame in (core_time_account(attempts), core_time_by_kind(attempts), core_time_by_model(attempts)):
        for row in frame.to_dicts():
            assert sum(row[part] for part in TIME_PARTS) == pytest.approx(row["core_seconds"], abs=1e-3)
            assert row["core_days"] == pytest.approx(row["core_seconds"] / 86_400)
        assert frame["core_seconds"].sum() == pytest.approx(held)
        assert frame["attempts"].sum() == len(rows)


def test_the_made_study(study: Storage) -> None:
    attempts = load_rows(study).attempt
    (total,) = core_time_account(attempts).to_dicts()
    assert (total["attempts"], total["failed"], total["killed"]) == (6, 1, 1)
    assert total["core_seconds"] == 2 * (100 + 96 + 400 + 100 + 200 + 98)
    assert total["productive"] == 2 * (50 + 80 + 350 + 0 + 120 + 0)
    assert total["repeated"] == 2 * (30 + 80)
    assert total["tflops_per_core"] == pytest.approx(12e12 / 1200 / 1e12)
    kinds = core_time_by_kind(attempts)
    assert kinds["kind"].to_list() == ["pretrain", "trial", "transfer", "fewshot"]
    assert kinds.filter(pl.col("kind") == "fewshot")["tflops_per_core"].to_list() == [None]
    assert core_time_by_model(attempts)["name"].to_list() == ["ResNet-8", "ViT-S/4"]


def test_devices_are_never_added_up(storage: Storage) -> None:
    made.attempt(storage, "a", "pretrain")
    made.attempt(storage, "b", "pretrain", device="tpu_v3", cores=8)
    attempts = load_rows(storage).attempt
    for frame in (core_time_account(attempts), core_time_by_kind(attempts), core_time_by_model(attempts)):
        assert frame["device"].to_list() == ["cpu", "tpu_v3"]
        assert frame["core_seconds"].to_list() == [200.0, 800.0]


def test_no_attempts_give_an_empty_account(study: Storage) -> None:
    assert core_time_by_kind(load_rows(study).attempt.clear()).is_empty()


def test_what_the_papers_tables_imply() -> None:
    huge, large = implied_speed(4262, 2500, "tpu-v3"), implied_speed(1567, 680, "tpu-v3")
    assert huge["exaflops_per_core_day"] == pytest.approx(1.70, abs=0.005)
    assert large["exaflops_per_core_day"] == pytest.approx(2.30, abs=0.005)
    assert (huge["utilisation"], large["utilisation"]) == pytest.approx((0.32, 0.43), abs=0.005)
    assert implied_speed(1.0, 1.0, "abacus")["utilisation"] is None
    with pytest.raises(ValueError, match="must be above 0, got 1 and 0"):
        implied_speed(1.0, 0.0, "tpu-v3")


def test_a_published_total_without_clocks(storage: Storage) -> None:
    clocks = dict.fromkeys(("seconds_training", "seconds_evaluating", "seconds_waiting", "seconds_lost"))
    flops = {"train_flops_valid": 4262e18, "seconds_total": 2500 * 86_400.0}
    made.attempt(storage, "a", "pretrain", device="tpu-v3", precision="bf16", cores=1, **clocks, **flops)
    (row,) = core_time_account(load_rows(storage).attempt).to_dicts()
    assert row["core_days"] == pytest.approx(2500)
    assert row["exaflops_per_core_day"] == pytest.approx(1.7048)
    assert row["utilisation_occupied"] == pytest.approx(0.3208, abs=1e-4)
    assert row["price_usd"] == pytest.approx(2500 / 2 * 24 * 2.0)
    assert (row["productive_share"], row["tflops_per_core"], row["utilisation"]) == (None, None, None)


def test_utilisation_is_of_the_peak_in_the_attempts_precision(storage: Storage) -> None:
    work: dict[str, Any] = {"cores": 4, "seconds_training": 100.0, "seconds_total": 200.0, "seconds_waiting": 0.0}
    device = next(chip for chip in catalogue().values() if {"bfloat16", "float32"} <= set(chip.peaks))
    work |= {"device": device.name, "train_flops_valid": 4 * 100 * 1e12}
    made.attempt(storage, "a", "pretrain", precision="fp32", **work)
    made.attempt(storage, "b", "pretrain", precision="bf16", study="other", **work)
    attempts = load_rows(storage).attempt
    of = {row["study"]: row for row in core_time_by_study(attempts).to_dicts()}
    for study, dtype in (("made", "float32"), ("other", "bfloat16")):
        peak = device.peaks[dtype] / device.cores_per_chip
        assert of[study]["utilisation"] == pytest.approx(1 / peak)
        assert of[study]["utilisation_occupied"] == pytest.approx(0.5 / peak)
    (total,) = core_time_account(attempts).to_dicts()
    assert total["utilisation"] == pytest.approx(
        2 * device.cores_per_chip / (device.peaks["float32"] + device.peaks["bfloat16"])
    )
    (unknown,) = core_time_account(attempts.with_columns(device=pl.lit("abacus"))).to_dicts()
    assert (unknown["utilisation"], unknown["price_usd"]) == (None, None)


def test_losses_by_cause_add_up(study: Storage) -> None:
    attempts = load_rows(study).attempt
    lost = core_time_losses(attempts)
    assert lost["cause"].to_list() == list(CAUSES)
    of = dict(zip(lost["cause"], lost["core_seconds"], strict=True))
    (whole,) = core_time_account(attempts).to_dicts()
    assert sum(of.values()) + whole["productive"] == pytest.approx(whole["core_seconds"])
    assert (of["killed"], of["failed"], of["diverged"]) == (2 * 30, 2 * 80, 0)
    assert of["restarts"] == 2 * (96 - 80 - 5 - 7)  # the second attempt at run-vit-2
    assert lost["share"].sum() == pytest.approx(1 - whole["productive"] / whole["core_seconds"])
    assert core_time_losses(attempts, ("kind",)).height == 4 * len(CAUSES)
    assert core_time_losses(attempts.clear()).is_empty()


def test_other_groups_add_up_to_the_same(study: Storage) -> None:
    attempts = load_rows(study).attempt
    (whole,) = core_time_account(attempts).to_dicts()
    for frame, rows in (
        (core_time_by_run(attempts), 5),
        (core_time_by_family(attempts), 2),
        (core_time_by_study(attempts), 1),
    ):
        assert frame.height == rows
        assert frame["core_seconds"].sum() == pytest.approx(whole["core_seconds"])


def test_several_chips_are_said_not_summed(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    made.attempt(storage, "a", "pretrain", device="tpu-v3", precision="bf16")
    assert mixed_devices_note(load_rows(storage).attempt) == ""
    made.attempt(storage, "b", "pretrain", device="cpu")
    assert "not added up" in mixed_devices_note(load_rows(storage).attempt)
    assert main(["core-days", storage.uri]) == 0
    shown = capsys.readouterr().out
    assert "2 kinds of chip worked" in shown
    assert "Not productive, by cause" in shown


def test_compute_that_does_not_follow_the_epochs() -> None:
    runs = pl.DataFrame(
        {
            "name": ["h", "h", "v", "v", "z", "n"],
            "epochs": [7.0, 14.0, 7.0, 14.0, 7.0, None],
            "exaflops_valid": [859.0, 1668.0, 783.0, 1567.0, 0.0, 1.0],
        }
    )
    (row,) = inconsistent_costs(runs).to_dicts()
    assert (row["name"], row["exaflops"], row["expected"]) == ("h", 859.0, 834.0)
    assert "inconsistent with its own" in row["text"]
    apart_by_data = runs.with_columns(dataset=pl.Series(list("abaaaa")))
    assert inconsistent_costs(apart_by_data).is_empty()
    assert inconsistent_costs(runs.clear()).is_empty()

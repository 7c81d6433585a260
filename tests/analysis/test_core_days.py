import made_study as made
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.core_days import PARTS, account, by_kind, by_model
from analysis.rows import load
from scaling.storage import Storage

SECONDS = st.floats(0, 1e6)


@st.composite
def attempt(draw) -> dict:
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
        "train_flops_valid": draw(SECONDS),
        "outcome": draw(st.sampled_from(["done", "failed", "running"])),
    }


@settings(deadline=None, max_examples=40)
@given(st.lists(attempt(), min_size=1, max_size=6))
def test_the_parts_add_up_to_what_was_occupied(rows: list[dict]) -> None:
    attempts = pl.DataFrame(rows)
    for frame in (account(attempts), by_kind(attempts), by_model(attempts)):
        for row in frame.to_dicts():
            assert sum(row[part] for part in PARTS) == pytest.approx(row["core_seconds"], abs=1e-3)
            assert row["core_days"] == pytest.approx(row["core_seconds"] / 86_400)
        assert frame["core_seconds"].sum() == pytest.approx(sum(r["cores"] * r["seconds_total"] for r in rows))
        assert frame["attempts"].sum() == len(rows)


def test_the_made_study(study: Storage) -> None:
    attempts = load(study).attempt
    (total,) = account(attempts).to_dicts()
    assert (total["attempts"], total["failed"], total["killed"]) == (6, 1, 1)
    assert total["core_seconds"] == 2 * (100 + 96 + 400 + 100 + 200 + 98)
    assert total["productive"] == 2 * (50 + 80 + 350 + 0 + 120 + 0)
    assert total["repeated"] == 2 * (30 + 80)
    assert total["tflops_per_core"] == pytest.approx(12e12 / 1200 / 1e12)
    kinds = by_kind(attempts)
    assert kinds["kind"].to_list() == ["pretrain", "trial", "transfer", "fewshot"]
    assert kinds.filter(pl.col("kind") == "fewshot")["tflops_per_core"].to_list() == [None]
    assert by_model(attempts)["name"].to_list() == ["ResNet-8", "ViT-S/4"]


def test_devices_are_never_added_up(storage: Storage) -> None:
    made.attempt(storage, "a", "pretrain")
    made.attempt(storage, "b", "pretrain", device="tpu_v3", cores=8)
    attempts = load(storage).attempt
    for frame in (account(attempts), by_kind(attempts), by_model(attempts)):
        assert frame["device"].to_list() == ["cpu", "tpu_v3"]
        assert frame["core_seconds"].to_list() == [200.0, 800.0]


def test_no_attempts_give_an_empty_account(study: Storage) -> None:
    assert by_kind(load(study).attempt.clear()).is_empty()

import json
import math
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.compare.frontier import mean_over_tasks
from analysis.compare.ratio_answers import ratio_answer
from analysis.compare.ratio_text import ratio_table
from analysis.compare.ratios import (
    comparable_points,
    compare_families,
    default_tasks,
    doublings,
    ratio_summary,
    ratios_by_task,
)
from scaling.store.storage import Storage
from tests.helpers import table6_rows as made

TABLE6 = made.accuracies()


def frame(
    models: list[tuple[str, float, float]], tasks: tuple[str, ...] = ("t",), **columns: pl.Expr | pl.Series
) -> pl.DataFrame:
    """Accuracy rows of (family, compute, accuracy)."""
    rows = [
        {"run_id": f"run-{place}", "name": f"m{place}", "family": family, "pretrained": True, "epochs": 1.0}
        | {"exaflops": cost, "exaflops_valid": cost, "task": task, "top1_mean": top1, "seeds": 1, "top1_std": None}
        for place, (family, cost, top1) in enumerate(models)
        for task in tasks
    ]
    schema = {"top1_std": pl.Float64, "exaflops_valid": pl.Float64, "top1_mean": pl.Float64, "seeds": pl.UInt32}
    return pl.DataFrame(rows, schema_overrides=schema).with_columns(**columns)


def ratios(beside: pl.DataFrame, column: str = "ratio") -> list[float | None]:
    """By compute, rounded to two places."""
    return [None if value is None else round(value, 2) for value in beside.sort("exaflops")[column]]


def test_the_papers_table_6_on_its_five_data_sets() -> None:
    known = comparable_points(TABLE6, made.FIVE)
    vit = compare_families(known, "vit", "resnet")
    assert ratios(vit) == pytest.approx([2.78, 5.95, 3.03, None, None, None], abs=0.02)
    assert ratios(vit, "bound") == [None, None, None, 4.22, 2.11, 0.78]
    assert ratios(vit, "ratio_extrapolated") == [None, None, None, 4.4, 3.3, 1.97]
    assert [None if g is None else round(g * 100, 2) for g in vit.sort("exaflops")["gain"]] == [
        *(2.83, 1.48, 1.13, 1.0, 0.94, None)
    ]
    total = ratio_summary(vit)
    assert (total["interior"], total["beyond"], total["below"]) == (3, 3, 0)
    assert total["geometric_mean"] == pytest.approx(3.69, abs=0.005)
    assert total["geometric_mean_with_extrapolated"] == pytest.approx(3.36, abs=0.005)
    hybrid = compare_families(known, "hybrid", "vit")
    assert ratios(hybrid) == pytest.approx([1.85, 2.04, 1.39, 1.01, 0.78], abs=0.005)
    saturating = doublings(known).filter(family="vit")["gain_per_doubling"] * 100
    assert [round(value, 2) for value in saturating] == [0.97, 0.43, 0.32, 0.26]


def test_the_answer_hangs_on_the_data_sets() -> None:
    alone = ratios_by_task(TABLE6, "vit", "resnet")
    assert alone["imagenet"]["geometric_mean"] == pytest.approx(2.04, abs=0.005)
    assert alone["imagenet_real"]["geometric_mean"] == pytest.approx(1.01, abs=0.005)
    assert alone["flowers"]["geometric_mean"] is None
    assert alone["flowers"]["beyond"] == 6
    six = ratio_summary(compare_families(comparable_points(TABLE6, list(made.TASKS)), "vit", "resnet"))
    assert six["geometric_mean"] == pytest.approx(2.74, abs=0.005)


def test_the_default_is_the_papers_five_or_else_every_task() -> None:
    assert default_tasks(sorted(made.TASKS)) == made.FIVE
    assert default_tasks(["CIFAR-10", "CIFAR-100", "ImageNet", "ImageNet ReaL", "Oxford Flowers-102", "Pets"]) == [
        *("ImageNet", "CIFAR-10", "CIFAR-100", "Pets", "Oxford Flowers-102")
    ]
    assert default_tasks(["digits", "imagenet"]) == ["digits", "imagenet"]


@settings(deadline=None, max_examples=60)
@given(st.floats(0.05, 20), st.lists(st.floats(0.1, 1e4), min_size=2, max_size=5, unique_by=lambda v: round(v, 1)))
def test_families_on_one_line_apart_by_a_factor_have_that_ratio(factor: float, costs: list[float]) -> None:
    """accuracy = 0.5 + 0.01 ln C for B, and for A as if C were `factor` times as much."""
    of = [("a", cost, 0.5 + 0.01 * math.log(cost * factor)) for cost in costs]
    against = [("b", cost, 0.5 + 0.01 * math.log(cost)) for cost in costs]
    beside = compare_families(comparable_points(frame(of + against), ["t"]), "a", "b")
    low, high = min(costs), max(costs)
    for row in beside.to_dicts():
        known = row["ratio"] if row["where"] == "interior" else row["ratio_extrapolated"]
        assert known == pytest.approx(factor, rel=1e-5)
        inside = low * (1 - 1e-6) <= row["exaflops"] * factor <= high * (1 + 1e-6)
        assert row["where"] == "interior" or not inside or math.isclose(row["exaflops"] * factor, high, rel_tol=1e-5)
        if row["where"] == "beyond":
            assert row["bound"] < row["ratio_extrapolated"]
        if row["where"] == "below":
            assert row["bound"] > row["ratio_extrapolated"]
        assert row["gain"] == pytest.approx(0.01 * math.log(factor), abs=1e-9)
    steps = doublings(comparable_points(frame(against), ["t"]))["gain_per_doubling"]
    assert steps.to_list() == pytest.approx([0.01 * math.log(2)] * len(steps))


def test_seeds_give_the_ratio_an_interval() -> None:
    models = [("b", 1.0, 0.5), ("b", 100.0, 0.7), ("a", 1.0, 0.6)]
    noisy = frame(models, top1_std=pl.lit(0.02), seeds=pl.lit(4, pl.UInt32))
    (row,) = compare_families(comparable_points(noisy, ["t"]), "a", "b").to_dicts()
    away = math.log(100) / 0.2 * 0.01 * math.sqrt(1 + 0.5)  # both ends count half
    assert row["ratio"] == pytest.approx(10)
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((10 * math.exp(-away), 10 * math.exp(away)))
    (alone,) = compare_families(comparable_points(frame(models), ["t"]), "a", "b").to_dicts()
    assert alone["ratio_low"] is None


def test_the_mean_over_chosen_data_sets_and_its_spread() -> None:
    rows = frame([("a", 1.0, 0.5)], ("t", "u", "v"), top1_std=pl.lit(0.03), seeds=pl.Series([5, 3, 4], dtype=pl.UInt32))
    rows = rows.with_columns(top1_mean=pl.Series([0.5, 0.7, 0.9]))
    (row,) = mean_over_tasks(rows, ["t", "u", "t"]).to_dicts()
    assert (row["top1_mean"], row["seeds"], row["task"]) == (pytest.approx(0.6), 3, "t + u")
    assert row["top1_std"] == pytest.approx(0.03 / math.sqrt(2))
    lacking = rows.filter(pl.col("task") != "u")
    assert mean_over_tasks(lacking, ["t", "v"]).height == 1
    with pytest.raises(ValueError, match="no accuracies on 'u': the rows have t, v"):
        mean_over_tasks(lacking, ["u"])
    whole = pl.concat([rows, rows[:1].with_columns(task=pl.lit("mean"), top1_std=pl.lit(0.01))])
    assert mean_over_tasks(whole, ["v", "u", "t"])["top1_std"].to_list() == [0.01]  # over seeds of the whole mean


@pytest.mark.parametrize("bad", [("a", 0.0, 0.6), ("a", math.nan, 0.6), ("a", 2.0, math.nan), ("b", math.inf, 0.9)])
def test_points_without_a_number_stand_outside(bad: tuple[str, float, float]) -> None:
    good = [("a", 2.0, 0.6), ("b", 1.0, 0.5), ("b", 4.0, 0.7)]
    beside = compare_families(comparable_points(frame([*good, bad]), ["t"]), "a", "b")
    assert beside["ratio"].to_list() == pytest.approx([1.0])


def test_one_point_one_family_no_rows() -> None:
    single = comparable_points(frame([("b", 1.0, 0.5), ("a", 2.0, 0.5), ("a", 2.0, 0.6), ("a", 8.0, 0.4)]), ["t"])
    below, level, above = compare_families(single, "a", "b").sort("top1_mean").to_dicts()
    assert (level["where"], level["ratio"]) == ("interior", pytest.approx(0.5))
    assert (above["where"], above["bound"], above["ratio_extrapolated"]) == ("beyond", pytest.approx(0.5), None)
    assert (below["where"], below["bound"], below["gain"]) == ("below", pytest.approx(0.125), None)
    assert compare_families(single, "a", "nobody").is_empty()
    assert doublings(single).is_empty()
    nothing = comparable_points(frame([("a", 1.0, 0.5)]).clear().vstack(frame([("a", 0.0, 0.5)])), ["t"])
    assert compare_families(nothing, "a", "b").is_empty()
    assert ratio_summary(compare_families(nothing, "a", "b"))["geometric_mean"] is None


def test_the_answer_in_words_says_the_claim_the_caveat_and_the_odd_row() -> None:
    found = ratio_answer(None, TABLE6, None, None, None)
    assert found["tasks"] == made.FIVE
    assert [(pair["of"], pair["against"]) for pair in found["comparisons"]] == [
        *(("vit", "resnet"), ("hybrid", "resnet"), ("hybrid", "vit"))
    ]
    result, claim, caveat = found["comparisons"][0]["sentences"]
    assert "needs 3.69 times the compute of ViT" in result
    assert "3 beyond its range" in result
    assert "2–4 times" in claim
    assert "3 of 6 points lie there (2 of them interior), 5 after rounding" in claim
    assert "imagenet_real 1.01 (5 interior)" in caveat
    assert "On imagenet_real alone ViT has no advantage" in caveat
    (odd,) = [note for note in found["notes"] if "inconsistent" in note]
    assert "859" in odd
    assert "834" in odd
    (only,) = ratio_answer(None, TABLE6, ["imagenet"], "vit", "resnet")["comparisons"]
    assert only["geometric_mean"] == pytest.approx(2.04, abs=0.005)


def test_families_that_cannot_be_compared_are_one_line() -> None:
    for of, against, said in (("axial", None, "no family 'axial'"), ("vit", "vit", "needs two families")):
        with pytest.raises(ValueError, match=said):
            ratio_answer(None, TABLE6, None, of, against)
    with pytest.raises(ValueError, match="no pre-trained model has compute"):
        ratio_answer(None, TABLE6.with_columns(exaflops_valid=pl.lit(0.0)), None, None, None)
    with pytest.raises(ValueError, match="no accuracies to compare"):
        ratio_answer(None, TABLE6.clear(), None, None, None)
    alone = ratio_answer(None, TABLE6.filter(family="vit"), None, None, None)
    assert alone["comparisons"] == []
    assert len(alone["doublings"]) == 4
    assert any("of one family" in note for note in alone["notes"])


def test_the_command(study: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ratios", study.uri, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == ["digits", "fashion"]
    assert [len(pair["points_beside"]) for pair in found["comparisons"]] == [3, 3, 3]
    assert any(row["ratio_low"] is not None for pair in found["comparisons"] for row in pair["points_beside"])
    assert main(["ratios", study.uri, "--of", "vit", "--tasks", "digits"]) == 0
    shown = capsys.readouterr().out
    assert "ViT against the Hybrid frontier: digits" in shown
    assert "Gain per doubling" in shown
    assert main(["frontier", study.uri, "--tasks", "digits, fashion", "--json"]) == 0
    assert {row["task"] for row in json.loads(capsys.readouterr().out)["points"]} == {"mean"}
    for wrong in (["--tasks", "nothing"], ["--tasks", ","], ["--of", "vit", "--against", "vit"]):
        assert main(["ratios", study.uri, *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["ratios", str(tmp_path)]) == 2
    assert "holds no rows" in capsys.readouterr().err


def test_the_papers_claim_is_told_only_of_its_data_sets() -> None:
    for tasks in (None, ["imagenet"], ["digits"]):
        scores = TABLE6 if tasks != ["digits"] else TABLE6.filter(task="pets").with_columns(task=pl.lit("digits"))
        (pair,) = ratio_answer(None, scores, tasks, "vit", "resnet")["comparisons"]
        assert any("The ViT paper's claim" in text for text in pair["sentences"]) is (tasks is None)


def test_what_is_extrapolated_too_far_is_a_sentence_and_no_number(study: Storage) -> None:
    """A flat end of a frontier, extended to the accuracy of a far point: 2.7e-10 times the compute."""
    flat = [("b", 1.0, 0.50), ("b", 2.0, 0.51), ("a", 5.0, 0.10), ("a", 6.0, 0.505), ("a", 7.0, 0.52)]
    (pair,) = ratio_answer(None, frame(flat), None, "a", "b")["comparisons"]
    assert pair["points_beside"][0]["ratio_extrapolated"] < 1e-9
    assert (pair["extrapolated"], pair["too_far"]) == (1, 1)
    said = [text for text in pair["sentences"] if "No extrapolated ratio" in text]
    assert said == [
        "No extrapolated ratio is given of the point for which the b frontier would have to be extended to more than "
        "10 times its compute."
    ]
    cells = [cell for row in ratio_table(pair).rows() for cell in row]
    assert "too far" in cells
    assert not any(re.search(r"e[-+]\d", text) for text in (*cells, *pair["sentences"]))


def test_a_ratio_of_one_within_the_seeds_error_is_called_so() -> None:
    models = [("b", 1.0, 0.5), ("b", 100.0, 0.7), ("a", 9.0, 0.6)]
    noisy = frame(models, top1_std=pl.lit(0.02), seeds=pl.lit(4, pl.UInt32))
    (pair,) = ratio_answer(None, noisy, None, "a", "b")["comparisons"]
    assert "1 of the interior points is at 1 within the seeds' error" in pair["sentences"][0]

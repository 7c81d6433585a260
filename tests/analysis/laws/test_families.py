import math

import polars as pl
import pytest

from analysis.figures.laws import laws_chart
from analysis.figures.style import NothingToDrawError
from analysis.laws import families as fitted
from analysis.laws.values import Fit, Method


def scores(counts: dict[str, int]) -> pl.DataFrame:
    """Accuracies of two tasks' mean on an exact law: error = 0.1 + 0.004 C^-0.3."""
    rows = [
        {"run_id": f"{family}-{i}", "name": f"m{i}", "family": family, "pretrained": True, "epochs": 1.0}
        | {"exaflops_valid": 1e-5 * 2.0**i, "task": task, "top1_std": None}
        | {"top1_mean": 0.9 - 0.004 * (1e-5 * 2.0**i) ** -0.3 * (1 + 0.002 * math.cos(7 * i))}
        for family, count in counts.items()
        for i in range(count)
        for task in ("a", "b", "mean")
    ]
    return pl.DataFrame(rows)


def test_each_family_has_its_law_or_says_why_not() -> None:
    task, laws = fitted.family_laws(scores({"vit": 8, "resnet": 3, "hybrid": 1}))
    assert task == "mean"
    assert [law.family for law in laws] == ["vit", "resnet"]
    ((_, answer),) = fitted.fitted_laws(laws)
    assert isinstance(answer, Fit)
    assert answer["b"].value == pytest.approx(0.3, abs=0.01)
    table = fitted.laws_table(laws)
    assert table["family"].to_list() == ["ViT"]
    said = "\n".join(fitted.law_sentences(laws))
    assert "ViT: Held out:" in said
    assert "an extrapolation, it predicts an error" in said
    assert "No law for ResNet: too few points: needs at least 5 distinct configurations, has 3." in said
    drawn = laws_chart(laws).to_json()
    assert '"extrapolated"' in drawn
    assert "error (%)" in drawn


def test_of_very_many_models_some_make_the_law_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted, "METHOD", Method(bootstrap=20, most=8))
    _, (law,) = fitted.family_laws(scores({"vit": 12}))
    assert isinstance(law.answer, Fit)
    assert law.answer.configurations == 8
    said = "ViT: 8 of 12 configurations fitted, evenly spread over their order by size."
    assert said in fitted.law_sentences([law])


def test_without_a_law_there_is_nothing_to_draw() -> None:
    for frame in (scores({"vit": 2}), scores({"vit": 2}).clear()):
        _, laws = fitted.family_laws(frame)
        assert fitted.laws_table(laws).is_empty()
        with pytest.raises(NothingToDrawError, match="no family has enough points"):
            laws_chart(laws)


def test_perfect_and_missing_accuracies_are_left_out() -> None:
    frame = scores({"vit": 8}).with_columns(
        top1_mean=pl.when(pl.col("run_id") == "vit-7").then(1.0).otherwise("top1_mean"),
        exaflops_valid=pl.when(pl.col("run_id") == "vit-6").then(0.0).otherwise("exaflops_valid"),
    )
    _, (law,) = fitted.family_laws(frame)
    assert law.points.height == 7
    assert "vit-6" not in law.points["run_id"]
    assert law.answer is not None

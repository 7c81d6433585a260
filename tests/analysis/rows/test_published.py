"""The paper's tables as rows: the numbers that its text gives come out of them, and every command reads them."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from analysis.__main__ import main
from analysis.compare import vtab
from analysis.compare.frontier import frontier
from analysis.figures import frontier_chart
from analysis.report.build import report
from analysis.rows import accuracies, load_rows, published
from analysis.rows.merge import with_rows_of
from analysis.tables import paper as paper_tables
from scaling.store.storage import Storage


def test_table_6_gives_the_papers_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ratios", "published", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == ["imagenet", "cifar10", "cifar100", "pets", "flowers"]
    vit, _, hybrid = found["comparisons"]
    of = {(row["name"], row["where"]): row for row in vit["points_beside"]}
    ratios = [of[f"ViT-{name}", "interior"]["ratio"] for name in ("B/32", "B/16", "L/32")]
    assert ratios == pytest.approx([2.78, 3.03, 5.95], abs=0.02)
    large = of["ViT-L/16 (7 ep)", "beyond"]
    assert (large["bound"], large["ratio_extrapolated"]) == pytest.approx((4.22, 4.40), abs=0.005)
    assert vit["geometric_mean"] == pytest.approx(3.69, abs=0.005)
    assert vit["by_task"]["imagenet_real"]["geometric_mean"] == pytest.approx(1.01, abs=0.005)
    told = {row["name"]: row["ratio"] for row in hybrid["points_beside"]}
    assert list(told.values()) == pytest.approx([1.85, 2.04, 1.39, 1.01, 0.78], abs=0.005)
    assert not any("vtab" in task for task in vit["by_task"])  # judged are data sets that have points


def test_table_2_gives_core_days_and_table_6_contradicts_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["core-days", "published", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    of = {row["name"]: row for row in found["by_model"]}
    huge, large = of["ViT-H/14, Ours-JFT"], of["ViT-L/16, Ours-JFT"]
    assert (huge["core_days"], large["core_days"]) == (2500, 680)
    assert (huge["exaflops_per_core_day"], large["exaflops_per_core_day"]) == pytest.approx((1.70, 2.30), abs=0.006)
    assert (huge["utilisation_occupied"], large["utilisation_occupied"]) == pytest.approx((0.32, 0.43), abs=0.005)
    assert of["R152x4, BiT-L"]["exaflops_per_core_day"] is None  # Table 6 has no such row
    assert found["total"][0]["exaflops_per_core_day"] is None
    assert found["losses"] == []
    (note,) = found["notes"]
    assert "859" in note
    assert "1,668" in note
    assert main(["core-days", "published"]) == 0
    shown = capsys.readouterr().out
    assert "32.1%" in shown
    assert "set-up" not in shown  # a total without clocks has no parts


def test_the_tables_come_back_as_printed() -> None:
    tables = {
        name: paper_tables.paper_tables(load_rows(f"published/{name}"))[name][0] for name in published.PUBLISHED_TABLES
    }
    row = tables["table2"].row(by_predicate=pl.col("task") == "imagenet-518", named=True)
    assert row["ViT-H/14, Ours-JFT"] == "88.55 ± 0.04"
    assert row["EfficientNet-L2, Noisy Student"] == "88.40"
    row = tables["table5"].row(by_predicate=(pl.col("dataset") == "jft-300m") & (pl.col("task") == "pets"), named=True)
    assert row["ViT-H/14"] == "97.56"  # Table 6 prints 97.11 of it
    assert tables["table6"].height == 18
    row = tables["table7"].row(by_predicate=pl.col("task") == "mean", named=True)
    assert [row[name] for name in ("R50x1, adamw", "R50x1, sgd", "R152x2, adamw", "R152x2, sgd")] == [
        *("89.33", "88.79", "94.01", "93.72")
    ]
    row = tables["table8"].row(by_predicate=pl.col("positions") == "1-D", named=True)
    assert (row["at the stem"], row["every layer, shared"]) == ("64.21", "64.29")
    means = vtab.vtab_scores(vtab.vtab_top1(load_rows("published")))["mean"] * 100
    assert means.to_list() == pytest.approx([77.63, 76.29, 72.71], abs=0.01)


def test_it_is_a_storage_but_not_to_write_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(load_rows("published").pretrain["run_id"].str.split("-").list.first()) == set(published.PUBLISHED_TABLES)
    assert main(["frontier", "published"]) == 0
    assert "points are left out: without compute" in capsys.readouterr().out
    assert main(["paper", "published", "--out", str(tmp_path)]) == 0
    drawn = {path.name for path in (tmp_path / "paper").iterdir()}
    assert {f"{name}.svg" for name in ("figure2", "figure3", "figure5")} <= drawn
    assert {f"{part}.{kind}" for part in published.PUBLISHED_TABLES for kind in ("md", "tex", "csv")} <= drawn
    for wrong in (["report", "published"], ["paper", "published/table6"], ["ratios", "published/table3"]):
        capsys.readouterr()
        assert main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_report_states_the_claim_and_the_caveat(study: Storage, tmp_path: Path) -> None:
    out = Storage.of(tmp_path)
    report("published/table6", out)
    text = out.read("report.html").decode()
    assert 'id="ratios"' in text
    for said in ("2–4 times less compute", "ViT-B/32 2.78", "ViT-L/32 5.95", "3.69", "ImageNet-ReaL alone 1.01"):
        assert said in text
    report(study, out)  # a study of other data: the paper says nothing of it
    text = out.read("report.html").decode()
    assert 'id="ratios"' in text
    assert "ViT paper" not in text


def test_ours_and_theirs_side_by_side(study: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The made study's digits renamed to a task of the paper's."""
    ours = load_rows(study)
    named = pl.col("task").replace({"digits": "cifar10"})
    ours = replace(ours, transfer=ours.transfer.with_columns(named), trial=ours.trial.with_columns(named))
    points = frontier(accuracies(with_rows_of(ours, "published/table6")))
    families = set(points["family"])
    assert families == {name + mark for name in ("vit", "resnet", "hybrid") for mark in ("", " (paper)")}
    theirs = points.filter(family="vit (paper)")
    assert set(theirs["task"]) == {"cifar10"}
    assert theirs.filter(name="ViT-H/14 (paper)")["top1_mean"].to_list() == [0.995]
    assert points.filter(task="cifar10").height == theirs.height * 3 + 10  # 18 of Table 6 and ours, one from scratch
    drawn = json.dumps(frontier_chart(points).to_dict())
    assert "ViT (paper)" in drawn
    assert main(["frontier", study.uri, "--beside", "published"]) == 2
    told = capsys.readouterr().err
    assert "nothing to set side by side: no data set of digits, fashion is one of paper's" in told
    assert told.count("\n") == 1

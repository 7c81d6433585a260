"""Numbers of evaluations, by model: rows to means, a table and a figure."""

import json
from dataclasses import fields
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from analysis.figures.evaluations import evaluations_chart
from analysis.figures.style import NothingToDrawError
from analysis.rows.load import Rows
from analysis.rows.metrics import metric_means
from analysis.tables.evaluations import evaluations_table
from analysis.tables.results import results_table
from scaling.store.schemas import TABLES
from tests.helpers.rows import example


def rows_of(**tables: list[dict[str, Any]]) -> Rows:
    frames = {}
    for field in fields(Rows):
        made = [example(field.name, **row) for row in tables.get(field.name, [])]
        frame = pl.from_arrow(pa.Table.from_pylist(made, schema=TABLES[field.name]))
        assert isinstance(frame, pl.DataFrame)
        frames[field.name] = frame
    return Rows(**frames)


def number(run: str, value: float, **given: Any) -> dict[str, Any]:
    about = {"evaluation_id": f"{run}-e", "protocol_id": "p" * 16, "run_id": run, "name": "A", "family": "vit"}
    what = {"evaluation": "knn", "dataset": "birds", "metric": "top1", "setting": "k=10", "value": value}
    return about | what | {"headline": True} | given


def trained(run: str, seed: int, name: str = "A", flops: float = 1e18) -> dict[str, Any]:
    spec = json.dumps({"name": name, "seed": seed})
    about = {"run_id": run, "name": name, "family": "vit", "seed": seed, "spec": spec}
    return about | {"train_flops_valid": flops, "train_flops": flops, "epochs": 1.0}


@pytest.fixture
def rows() -> Rows:
    numbers = [number("a0", 0.5), number("a1", 0.7), number("b", 0.9, name="B")]
    numbers += [number("b", 1.25, name="B", metric="nll", setting="", evaluation="calibration")]
    numbers += [number("b", 0.25, name="B", metric="top1", setting="fog 1", evaluation="robustness", headline=False)]
    numbers += [number("b", 3.0, name="B", metric="score", setting="", evaluation="mine", dataset=None)]
    return rows_of(pretrain=[trained("a0", 0), trained("a1", 1), trained("b", 0, "B", 4e18)], metric=numbers)


def test_runs_that_differ_in_their_seed_are_one_model(rows: Rows) -> None:
    means = metric_means(rows)
    (a,) = means.filter(name="A").to_dicts()
    assert (a["label"], a["in_percent"], a["seeds"], a["exaflops_valid"]) == ("birds knn k=10 top1", True, 2, 1.0)
    assert a["mean"] == pytest.approx(0.6)
    assert a["std"] == pytest.approx(0.1 * 2**0.5)
    assert set(means.filter(name="B")["label"]) == {
        "birds knn k=10 top1",
        "birds calibration nll",
        "birds robustness fog 1 top1",
        "mine score",
    }


def test_two_protocols_of_one_name_are_not_mixed(rows: Rows) -> None:
    other = rows_of(metric=[number("a0", 0.1, protocol_id="q" * 16, evaluation_id="x")]).metric
    both = Rows(**{f.name: getattr(rows, f.name) for f in fields(Rows)} | {"metric": pl.concat([rows.metric, other])})
    labels = set(metric_means(both)["label"])
    assert {"birds knn#pppp k=10 top1", "birds knn#qqqq k=10 top1", "birds calibration nll"} <= labels


def test_tables_show_numbers_by_model(rows: Rows) -> None:
    table = evaluations_table(rows)
    assert table.columns == ["evaluation", "A", "B"]
    assert dict(zip(table["evaluation"], table.select("A", "B").rows(), strict=True)) == {
        "birds calibration nll": ("–", "1.25"),
        "birds knn k=10 top1 (%)": ("60.00 ± 14.14", "90.00"),
        "birds robustness fog 1 top1 (%)": ("–", "25.00"),
        "mine score": ("–", "3"),
    }
    results = results_table(rows)
    assert results["birds knn k=10 top1 (%)"].to_list() == ["60.00 ± 14.14", "90.00"]
    assert "birds robustness fog 1 top1 (%)" not in results.columns  # no headline


def test_a_figure_has_a_panel_for_each_headline_number(rows: Rows) -> None:
    chart = evaluations_chart(metric_means(rows)).to_dict()
    drawn = json.dumps(chart)
    for label in ("birds knn k=10 top1", "birds calibration nll", "mine score"):
        assert f'"text": "{label}"' in drawn
    assert "fog 1" not in drawn
    assert "Bars: ± one standard deviation" in chart["title"]["subtitle"]
    with pytest.raises(NothingToDrawError, match="no evaluation of a pre-trained model"):
        evaluations_chart(metric_means(rows).clear())

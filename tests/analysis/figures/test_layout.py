"""What a reader needs of the figures: every point named, bars explained, baselines shown, no lone panel."""

import json
import random
from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import figures
from analysis.compare.frontier import frontier
from analysis.figures import label_placement as labels
from analysis.figures import style
from analysis.figures.error_bars import over_seeds
from analysis.figures.point_labels import Panel, labelled
from analysis.report import read_view, report_charts
from analysis.rows import load_rows
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers import finished_study as made


def spec_of(chart: Any) -> dict[str, Any]:
    with alt.data_transformers.enable(consolidate_datasets=False):  # the rows where they are drawn
        spec: dict[str, Any] = json.loads(chart.to_json())
    return spec


def panels_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels of a figure, whatever rows they are in, each with the rows that altair keeps for several."""
    shared = {"data": spec["data"]} if "data" in spec else {}
    for kind in ("concat", "hconcat", "vconcat"):
        if kind in spec:
            return [panel for part in spec[kind] for panel in panels_of(shared | part)]
    return [spec]


def rows_in(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of all layers of a panel."""
    own = json.loads(panel["data"]["values"]) if "data" in panel and "values" in panel["data"] else []
    return own + [row for layer in panel.get("layer", []) for row in rows_in(layer)]


def texts_in(panel: dict[str, Any]) -> str:
    """All that is written in a panel: the labels, and the key under its title."""
    key = panel["title"].get("subtitle", "") if isinstance(panel.get("title"), dict) else ""
    return "\n".join([*(str(row["text"]) for row in rows_in(panel) if "text" in row), *key])


def scores(names: list[str], tops: list[float], costs: list[float]) -> pl.DataFrame:
    rows = [
        {"run_id": f"r{i}", "name": name, "family": ("vit", "resnet", "axial")[i % 3], "pretrained": cost > 0}
        | {"exaflops_valid": cost, "epochs": 1.0, "task": "t", "top1_mean": top, "top1_std": 0.01, "seeds": 3}
        for i, (name, top, cost) in enumerate(zip(names, tops, costs, strict=True))
    ]
    return frontier(pl.DataFrame(rows, schema_overrides={"seeds": pl.UInt32}))


@pytest.mark.parametrize("count", [1, 2, 9, 20, 35])
def test_every_point_of_the_frontier_is_named_beside_it_or_in_the_key(count: int) -> None:
    noise = random.Random(count)
    names = [f"model-of-some-length-{i}/16" for i in range(count)]
    costs = [10.0 ** noise.uniform(0, 0.8) for _ in names]
    tops = [0.5 + 0.02 * noise.random() for _ in names]
    (panel,) = panels_of(spec_of(figures.frontier_chart(scores(names, tops, costs))))
    for name in names:
        assert name in texts_in(panel)


def test_points_at_one_place_are_all_in_the_key() -> None:
    names = ["first", "second", "third"]
    (panel,) = panels_of(spec_of(figures.frontier_chart(scores(names, [0.5] * 3, [1.0] * 3))))
    assert all(name in texts_in(panel) for name in names)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 100), st.floats(10, 90)), min_size=1, max_size=30), st.integers(120, 800))
def test_a_label_or_a_number_stands_for_each_point(places: list[tuple[float, float]], width: int) -> None:
    records: list[dict[str, Any]] = [
        {"compute": x, "percent": y, "low": y - 2, "label": f"model-{i}", "family": "vit"}
        for i, (x, y) in enumerate(places)
    ]
    drawn, key = labelled(records, [], Panel((0.9, 110), (0, 100), width, 260))
    written = {row["text"] for row in rows_in(spec_of(drawn))}
    assert len(written) == len(records)
    assert all(row["label"] in written or row["label"] in ", ".join(key) for row in records)
    longest = max((len(text) for text in key), default=0)
    assert longest * labels.CHARACTER <= max(width, 20 * labels.CHARACTER)


@pytest.fixture(scope="module")
def drawn(study: Storage) -> dict[str, dict[str, Any]]:
    return {name: spec_of(chart) for name, (chart, _) in report_charts(read_view(study)).items()}


def test_baselines_are_in_the_frontier_figure_at_no_compute(drawn: dict[str, dict[str, Any]]) -> None:
    spec = drawn["frontier"]
    assert "Hollow, at 'none': from scratch." in spec["title"]["subtitle"]
    for panel in panels_of(spec):
        baseline = [row for row in rows_in(panel) if str(row.get("about", "")).startswith("ViT-S/8 from scratch:")]
        assert baseline
        assert all(row["compute"] < 100 for row in baseline)  # left of the least teraFLOPs of a model
        assert "without pre-training" in baseline[0]["about"]
        assert "ViT-S/8 from scratch" in texts_in(panel)
        assert "'none'" in json.dumps(panel)


def test_a_frontier_of_baselines_alone_is_none() -> None:
    with pytest.raises(style.NothingToDrawError, match="no pre-trained model"):
        figures.frontier_chart(scores(["a"], [0.5], [0.0]))


def test_no_panel_is_alone_beside_an_empty_column(drawn: dict[str, dict[str, Any]]) -> None:
    for name in ("frontier", "pretraining"):
        first, second, last = panels_of(drawn[name])
        assert first["width"] == second["width"]
        assert last["width"] > 2 * first["width"]


@given(st.integers(1, 12))
def test_panels_fill_their_rows(count: int) -> None:
    widths = style.panel_widths(count, 300)
    assert len(widths) == count
    assert (widths[-1] > 600) is (count > 1 and count % 2 == 1)


def test_bars_say_over_what(drawn: dict[str, dict[str, Any]]) -> None:
    for name in ("frontier", "pretraining", "fewshot"):
        assert "Bars: ± one standard deviation over 3 seeds." in drawn[name]["title"]["subtitle"]
    frame = pl.DataFrame({"top1_std": [0.1, None, 0.2], "seeds": [3, 1, 5]})
    assert over_seeds(frame) == " Bars: ± one standard deviation over 3 to 5 seeds."
    assert over_seeds(frame.with_columns(top1_std=None)) == ""


def test_few_shot_accuracies_have_bars(drawn: dict[str, dict[str, Any]]) -> None:
    (panel,) = panels_of(drawn["fewshot"])
    rows = [row for row in rows_in(panel) if "low" in row]
    assert rows
    assert all(row["high"] - row["low"] == pytest.approx(2.0) for row in rows)  # seeds are a point apart
    assert "rule" in {layer["mark"]["type"] for layer in panel["layer"] if "mark" in layer}


@pytest.mark.parametrize("count", [9, 20])
def test_the_response_to_the_learning_rate_names_every_line(storage: Storage, count: int) -> None:
    for i in range(count):
        about = {"run_id": f"r{i}", "name": f"model-{i}", "family": "vit", "pretrained": True}
        for rate in (0.1, 0.2, 0.4):
            one = made.row("trial", **about, trial_id=f"{i}-{rate}", task="t", task_id="t", **made.setting(rate))
            write_rows(
                storage, "trial", [one | {"dev_top1": 0.5 + i / 100 + rate / 10, "dev_loss": 1.0, "steps_done": 1}]
            )
    (panel,) = panels_of(spec_of(figures.response_chart(load_rows(storage))))
    written = texts_in(panel).split("\n")
    assert all(written.count(f"model-{i}") >= 1 for i in range(count))
    ends = sorted({row["y"] for row in rows_in(panel) if row.get("text")})
    low, high = panel["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert min(b - a for a, b in pairwise(ends)) / (high - low) * 260 > 12


def test_families_of_a_search_have_panels_of_their_own(drawn: dict[str, dict[str, Any]]) -> None:
    titles = [panel["title"]["text"] for panel in panels_of(drawn["sweeps"])]
    assert titles == [f"{task}: {family}" for task in made.TASKS for family in ("ViT", "ResNet", "Hybrid")]


def test_accuracies_of_one_seed_have_no_bars_and_say_nothing_of_them() -> None:
    one = scores(["a", "b"], [0.5, 0.6], [1.0, 2.0]).with_columns(top1_std=pl.lit(None, pl.Float64))
    assert "Bars" not in spec_of(figures.frontier_chart(one))["title"]["subtitle"]

import json

import pytest

from analysis import figures
from analysis.accounting.core_days import core_time_by_kind
from analysis.compare.frontier import frontier
from analysis.figures import label_placement as labels
from analysis.figures import style
from analysis.names import flops_unit
from analysis.report import read_view, report_charts
from analysis.rows import accuracies, load_rows
from scaling.store.storage import Storage


def test_every_figure_has_a_white_background_units_and_the_marks_of_its_families(study: Storage) -> None:
    made = report_charts(read_view(study))
    assert set(made) == {"frontier", "pretraining", "fewshot", "curves", "core_days", "sweeps"}
    for chart, caption in made.values():
        spec = chart.to_dict()
        assert spec["background"] == "white"
        assert spec["title"]["text"]
        assert caption.endswith(".")
    text = made["frontier"][0].to_json()
    assert "pre-training compute (teraFLOPs)" in text
    assert "accuracy (%)" in text
    assert [len(row["hconcat"]) for row in json.loads(text)["vconcat"]] == [2, 1]
    for name in ("ViT", "ResNet", "Hybrid"):
        assert f'"{name}"' in text


def test_figures_without_rows_say_so(study: Storage) -> None:
    rows = load_rows(study)
    points = frontier(accuracies(rows))
    empty = [
        (figures.frontier_chart, points.clear()),
        (figures.pretraining_chart, points.filter("pretrained")),
        (figures.curves_chart, rows.curve.clear()),
        (figures.fewshot_chart, rows.fewshot.clear()),
        (figures.core_days_chart, core_time_by_kind(rows.attempt.clear())),
    ]
    for draw, frame in empty:
        with pytest.raises(style.NothingToDrawError, match=r"^no "):
            draw(frame)


@pytest.mark.parametrize(
    ("exaflops", "unit"),
    [((1e-5, 5e-5), "teraFLOPs"), ((55.0, 4262.0), "exaFLOPs"), ((2e-3,), "petaFLOPs"), ((1.0,), "exaFLOPs")],
)
def test_compute_is_shown_in_the_unit_that_fits(exaflops: tuple[float, ...], unit: str) -> None:
    assert flops_unit(exaflops)[1] == unit


def test_ticks_lie_inside_the_axis() -> None:
    assert style.log_ticks(40, 450) == [50.0, 100.0, 200.0]
    assert style.log_ticks(0.9, 90_000) == [1.0, 10.0, 100.0, 1000.0, 10_000.0]


def test_labels_are_spread_in_their_order() -> None:
    moved = labels.spread([50.0, 51.0, 10.0], gap=12, high=100)
    assert moved == [44.5, 56.5, 10.0]
    assert labels.spread([99.0, 98.0], gap=12, high=100) == [100.0, 88.0]


def test_labels_cover_nothing() -> None:
    points = [(50.0, 50.0, "one"), (60.0, 52.0, "two"), (150.0, 80.0, "three")]
    boxes = [box for box in labels.place(points, (200, 100), [], []) if box is not None]
    assert len(boxes) == 3
    for i, box in enumerate(boxes):
        assert box.inside(200, 100)
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert not any(box.overlaps(labels.Box(x, y, 11, 11)) for x, y, _ in points)

"""The paper's figures and tables from the rows of its own studies, with made accuracies."""

import json
import re
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from analysis.__main__ import main
from analysis.compare import fewshot_accuracies, paper_runs, shape_lines
from analysis.figures import paper
from analysis.rows import Rows, load_rows
from analysis.tables import paper as paper_tables
from analysis.tables.cells import to_latex
from scaling.store.storage import Storage
from search_spaces import axial, data_requirements, head_type, position_embeddings, sgd_vs_adam, transformer_shape
from search_spaces.scales import PAPER
from tests.helpers.paper_rows import samples_of, write_study


def rows_of(module: ModuleType, place: Path, finetuned: bool = True) -> Rows:
    storage = Storage.of(place / "made")
    write_study(storage, module.STUDY, finetuned)
    return load_rows(storage)


@pytest.mark.parametrize(
    ("module", "figures", "tables"),
    [
        (data_requirements, {"figure3", "figure4"}, {"table5"}),
        (transformer_shape, {"figure8"}, set()),
        (axial, {"figure13"}, set()),
        (head_type, {"figure9"}, set()),
        (position_embeddings, set(), {"table8"}),
        (sgd_vs_adam, set(), {"table7"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_study_gives_its_figure_and_its_table(
    module: ModuleType, figures: set[str], tables: set[str], tmp_path: Path
) -> None:
    rows = rows_of(module, tmp_path)
    always = {"figure5", "figure9"}  # every made run has a curve of few-shot accuracy
    made = paper.paper_charts(rows)
    assert set(made) == figures | always
    assert set(paper_tables.paper_tables(rows)) == tables | {"table2", "table6"}
    for chart, _ in made.values():
        assert chart.to_dict()["background"] == "white"


def test_figure_4s_runs_are_lines_of_one_model_over_subsets(tmp_path: Path) -> None:
    rows = rows_of(data_requirements, tmp_path)
    known = paper_runs(rows.pretrain)
    for run in data_requirements.STUDY.runs:
        (found,) = known.filter(pl.col("run_id") == run.id).to_dicts()
        assert found["model"] in run.name
        assert found["samples"] == pytest.approx(samples_of(run), rel=1e-6)


def test_figure_4_has_one_point_a_subset_and_figure_3_the_sets_by_size(tmp_path: Path) -> None:
    rows = rows_of(data_requirements, tmp_path)
    made = json.dumps(paper.samples_chart(rows).to_dict()).replace('\\"', '"')  # data are JSON text in it
    points = set(re.findall(r'"percent": ([\d.]+), "line": "ViT-B/32"', made))
    assert len(points) == len(PAPER.subsets) + 1
    text = json.dumps(paper.datasets_chart(rows).to_dict())
    (order,) = set(re.findall(r'"sort": (\[[^]]+\])', text))
    assert [name.split("-")[-1] for name in json.loads(order)] == ["imagenet", "21k", "300m"]


def test_figure_9_of_many_runs_can_be_read(tmp_path: Path) -> None:
    rows = rows_of(data_requirements, tmp_path)
    spec = paper.progress_chart(rows).to_dict()
    assert f"{paper.MOST} of {len(data_requirements.STUDY.runs)} runs" in spec["title"]["subtitle"]
    points = next(layer["encoding"] for layer in spec["layer"] if "shape" in layer["encoding"])
    scales = [points[channel]["scale"]["range"] for channel in ("color", "shape")]
    assert len(set(zip(*scales, strict=True))) == paper.MOST  # no two runs look alike
    assert points["color"]["legend"]["columns"] == points["shape"]["legend"]["columns"] == 2  # not all in one row


def test_figure_8s_lines_meet_at_the_base(tmp_path: Path) -> None:
    shown = shape_lines(fewshot_accuracies(rows_of(transformer_shape, tmp_path)))
    shown = shown.filter(pl.col("task") == "imagenet 5-shot")
    base = next(run.id for run in transformer_shape.STUDY.runs if run.name == "base")
    counts = dict(shown.group_by("line").agg(pl.len()).iter_rows())
    assert counts == {"depth": 4, "width": 3, "mlp_dim": 3, "patch_size": 3, "all": 2}
    for _, line in shown.group_by("line"):
        assert line.filter(pl.col("run_id") == base)["relative"].to_list() == [1.0]


def test_tables_5_7_and_8_have_the_papers_rows_and_columns(tmp_path: Path) -> None:
    five = paper_tables.by_dataset(rows_of(data_requirements, tmp_path / "a"))
    assert five.height == 3
    assert {"ViT-B/16", "ViT-L/16", "ViT-H/14"} <= set(five.columns)
    seven = paper_tables.by_optimizer(rows_of(sgd_vs_adam, tmp_path / "b"))
    assert any("sgd" in name for name in seven.columns)
    assert any("adam" in name for name in seven.columns)
    eight = paper_tables.by_positions(rows_of(position_embeddings, tmp_path / "c"))
    assert set(eight["positions"]) == {"none", "1-D", "2-D", "relative"}
    assert eight.columns[2:] == ["at the stem", "every layer", "every layer, shared"]
    assert eight.filter(pl.col("positions") == "relative")["every layer"].to_list() == ["–"]


def test_the_made_study_with_core_time(study: Storage) -> None:
    two = paper_tables.comparison(load_rows(study))
    assert two["task"].to_list()[:3] == ["digits", "fashion", "mean"]
    assert two.width == 10  # nine models


def test_latex_is_escaped_and_has_its_rules() -> None:
    made = to_latex(pl.DataFrame({"a_b & 50%": ["<x> ± 1\nnext", "\\end"]}), "100 % of $")
    assert r"a\_b \& 50\%" in made
    assert r"$<$x$>$ $\pm$ 1 next" in made
    assert r"\textbackslash{}end" in made
    assert made.count(r"\begin{") == made.count(r"\end{") == 2


def test_the_command_writes_all_forms(study: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(Storage.of(tmp_path / "made"), head_type.STUDY)
    assert main(["paper", str(tmp_path / "made")]) == 0
    names = {path.name for path in (tmp_path / "made/paper").iterdir()}
    assert {"figure9.png", "figure9.svg", "table6.md", "table6.tex", "table6.csv"} <= names
    assert len(capsys.readouterr().out.splitlines()) == len(names)

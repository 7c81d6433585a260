"""Runs of others as rows: what fits is read by every command, what does not is one line and nothing is written."""

import json
import math
from pathlib import Path

import polars as pl
import pytest

from analysis.__main__ import main
from analysis.commands.adoption import adopt
from analysis.compare.frontier import frontier
from analysis.report.build import report
from analysis.rows import accuracies, load_rows
from scaling.store.storage import Storage

MAP = ["name=model", "family=arch", "compute=flops:exaFLOPs", "accuracy=top1:percent"]


def table(**columns: list[object]) -> pl.DataFrame:
    usual = {"model": ["A", "B", "C"], "arch": ["vit", "vit", "resnet"], "flops": [1.0, 10.0, 5.0]}
    return pl.DataFrame({**usual, "top1": [60.0, 70.0, 65.0], "params": [8.5, 86.0, 25.0]} | columns)


def written(frame: pl.DataFrame, folder: Path, kind: str = "csv") -> str:
    path = folder / f"runs.{kind}"
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_units_and_roles(tmp_path: Path, storage: Storage, kind: str) -> None:
    more: dict[str, list[object]] = {"seen": [300, 1200, 300], "loss": [2.5, 2.0, 2.2]}
    mapping = [*MAP[:2], "compute=flops:pflops-days", "error=top1:percent", "parameters=params:million"]
    mapping += ["samples=seen:M", "loss=loss"]
    assert adopt(written(table(**more), tmp_path, kind), mapping, storage) == (3, 3, 0)
    rows = load_rows(storage)
    (big,) = rows.pretrain.filter(name="B").to_dicts()
    assert big["train_flops"] == big["train_flops_valid"] == pytest.approx(10 * 86_400e15)
    assert (big["parameters"], big["images"], big["train_loss"]) == (86_000_000, 1_200_000_000, 2.0)
    (row,) = accuracies(rows).filter(name="B", task="top1").to_dicts()
    assert row["top1_mean"] == pytest.approx(0.3)
    assert (row["task"], row["seeds"], row["family"]) == ("top1", 1, "vit")


def test_several_data_sets_seeds_and_gaps(tmp_path: Path, storage: Storage) -> None:
    frame = table(other=[None, 50.0, math.nan], why=["NA", "1", "-"])
    frame = pl.concat([frame, frame[1:2].with_columns(top1=pl.lit(72.0))])
    found = adopt(written(frame, tmp_path, "parquet"), [*MAP, "accuracy=other:percent", "parameters=why"], storage)
    assert found == (3, 6, 0)
    scores = accuracies(load_rows(storage))
    (row,) = scores.filter(name="B", task="top1").to_dicts()
    assert (row["seeds"], row["top1_mean"], row["top1_std"]) == (
        2,
        pytest.approx(0.71),
        pytest.approx(0.01 * math.sqrt(2)),
    )
    assert scores.filter(task="other")["name"].to_list() == ["B"]
    assert load_rows(storage).pretrain.sort("name")["parameters"].to_list() == [None, 1, None]


def test_a_column_of_data_sets_and_of_seeds(tmp_path: Path, storage: Storage) -> None:
    long = pl.concat([table(on=[task] * 3, seed=[7] * 3) for task in ("imagenet", "cifar10")])
    file = written(long, tmp_path)
    assert adopt(file, [*MAP, "task=on", "seed=seed"], storage) == (3, 6, 0)
    assert set(accuracies(load_rows(storage))["task"]) == {"imagenet", "cifar10", "mean"}
    assert adopt(file, [*MAP, "task=on", "seed=seed"], storage)[0] == 3  # again: the same rows, not twice
    assert load_rows(storage).pretrain.height == 3
    with pytest.raises(ValueError, match="rows 1 and 4 are one model with one seed on one data set"):
        adopt(file, [*MAP, "seed=seed"], storage)


@pytest.mark.parametrize(
    ("mapping", "columns", "said"),
    [
        (MAP[:3], {}, "lacks accuracy=COLUMN or error=COLUMN"),
        (MAP[1:], {}, "lacks name=COLUMN"),
        ([*MAP, "colour=arch"], {}, "wants ROLE=COLUMN"),
        ([*MAP[:2], "compute=flops", MAP[3]], {}, "has no unit: say compute=flops:exaFLOPs"),
        ([*MAP[:2], "compute=flops:parsec", MAP[3]], {}, "no unit 'parsec'"),
        ([*MAP, "parameters=nothing"], {}, "no column 'nothing' for parameters; there are: model, arch"),
        ([*MAP, "name=arch"], {}, "has name twice"),
        ([*MAP, "accuracy=params", "task=arch"], {}, "a task column and several accuracies"),
        ([*MAP[:3], "accuracy=top1"], {}, "row 1: accuracy 60.0 is not between 0 and 1: if it is in percent"),
        (MAP, {"top1": [60.0, 170.0, 3.0]}, "row 2: accuracy 170.0 is not between 0 and 1$"),
        (MAP, {"top1": [60.0, 70.0, -3.0]}, "row 3: accuracy -3.0 is negative"),
        (MAP, {"flops": ["1", "many", "more"]}, r"row 2: compute 'many' is no number \(and in 1 more rows\)"),
        (MAP, {"flops": [1.0, -1.0, 2.0]}, "row 2: compute -1.0 is negative"),
        (MAP, {"flops": [1.0, math.inf, 2.0]}, "row 2: compute inf is not finite"),
        (MAP, {"model": ["A", None, "C"]}, "row 2: no name in column 'model'"),
    ],
)
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mapping: list[str], columns: dict[str, list[object]], said: str
) -> None:
    out = tmp_path / "out"
    file = written(table(**columns), tmp_path)
    with pytest.raises(ValueError, match=said):
        adopt(file, mapping, Storage.of(out))
    assert main(["adopt", file, "--map", *mapping, "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_files_that_are_none(tmp_path: Path, storage: Storage) -> None:
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "head.csv").write_text("model,arch\n")
    wrong = {"empty.parquet": "cannot be read", "head.csv": "no rows", "no.csv": "does not exist", "a.xls": "none of"}
    for name, said in wrong.items():
        with pytest.raises(ValueError, match=said):
            adopt(str(tmp_path / name), MAP, storage)


def test_hostile_names_zero_compute_and_no_accuracy(tmp_path: Path, storage: Storage) -> None:
    frame = table(model=["<script>alert(1)</script>", "B", "C"], flops=[0.0, 10.0, None], top1=[60.0, None, 65.0])
    assert adopt(written(frame, tmp_path), MAP, storage) == (3, 2, 1)
    points = frontier(accuracies(load_rows(storage)))
    assert not points["on_frontier"].any()
    report(storage)
    text = storage.read("report.html").decode()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_long_file(tmp_path: Path, storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed of many points stays short, JSON has them all."""
    count = 3000
    frame = pl.DataFrame({"model": [f"m{i}" for i in range(count)], "arch": ["a", "b"] * (count // 2)})
    frame = frame.with_columns(
        flops=pl.Series(range(1, count + 1), dtype=pl.Float64),
        top1=pl.Series([i % 97 for i in range(count)], dtype=pl.Float64),
    )
    assert main(["adopt", written(frame, tmp_path, "parquet"), "--map", *MAP, "--out", storage.uri]) == 0
    assert f"{count:,} models and {count:,} accuracies" in capsys.readouterr().out
    assert main(["frontier", storage.uri]) == 0
    shown = capsys.readouterr().out
    assert "on no frontier: --json prints all" in shown
    assert "mean" not in shown  # of one data set
    assert shown.count("\n") < 300
    assert main(["frontier", storage.uri, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["points"]) == 2 * count  # and the mean over the one

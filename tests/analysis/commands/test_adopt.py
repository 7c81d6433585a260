"""Runs of others as rows: what fits is read by every command, what does not is one line and nothing is written."""

import json
import math
from datetime import date, timedelta
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
        *(
            ([*MAP[:2], f"compute=flops:{unit}", MAP[3]], {}, "the unit must be a finite number above 0")
            for unit in ("nan", "inf", "0", "-1", "1e999", "0.0")
        ),
        ([*MAP[:3], "accuracy=top1:nan"], {}, "the unit must be a finite number above 0"),
        (MAP, {"flops": [True, False, True]}, "row 1: compute 'true' is no number"),
        (MAP, {"flops": ["2024-01-01", "2024-01-02", "3"]}, "row 1: compute '2024-01-01' is no number"),
        (MAP, {"flops": ["1,5", "2", "3"]}, "row 1: compute '1,5' is no number: write decimals with a point"),
        ([*MAP, "seed=seed"], {"seed": [1.0, 1.5, 2.0]}, "row 2: seed 1.5 is no whole number"),
        ([*MAP, "seed=seed"], {"seed": [2.0**80, 1.0, 2.0]}, "row 1: seed .* is too large for 64 bits"),
        ([*MAP, "seed=seed"], {"seed": [1, None, 2]}, "row 2: seed .* is no seed"),
        ([*MAP, "parameters=params"], {"params": [1.0, 1e300, 2.0]}, "row 2: parameters 1e300? is too large|too large"),
        (MAP, {"model": ["A", "B\x1b[31m", "C"]}, r"row 2: name 'B\\x1b\[31m' holds a control character"),
        (MAP, {"arch": ["vit", "vit", "a\u202eb"]}, r"row 3: family 'a\\u202eb' holds a control character"),
        (MAP, {"model": ["A", "B" * 300, "C"]}, "row 2: name .* is too long"),
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


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


TEXT = lines("model,arch,flops,top1", "007,vit,1,60", "7,vit,1,61", "0.50,vit,2,62", "0.5,vit,2,63", "1e3,vit,3,64")


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (TEXT.encode(), "UTF-8, columns separated by commas"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "UTF-8, columns separated by commas"),
        (TEXT.replace(",", ";").encode("utf-16"), "UTF-16, columns separated by semicolons"),
        (TEXT.replace(",", "\t").encode("utf-16-le"), "UTF-16-LE, columns separated by tabs"),
        (TEXT.replace(",", "|").replace("vit", "Müller").encode("cp1252"), "Windows-1252, columns separated by bars"),
        (TEXT.replace(",", ";").replace("\n", "\r\n").encode("utf-32"), "UTF-32, columns separated by semicolons"),
    ],
)
def test_text_stays_text_in_any_encoding(
    tmp_path: Path, storage: Storage, capsys: pytest.CaptureFixture[str], content: bytes, how: str
) -> None:
    (tmp_path / "runs.csv").write_bytes(content)
    mapping = [text.replace("exaFLOPs", "exaflops") for text in MAP]
    assert main(["adopt", str(tmp_path / "runs.csv"), "--map", *mapping, "--out", storage.uri]) == 0
    assert how in capsys.readouterr().err
    rows = load_rows(storage)
    assert sorted(rows.pretrain["name"]) == ["0.5", "0.50", "007", "1e3", "7"]
    assert set(rows.pretrain["family"]) == {"Müller" if "1252" in how else "vit"}
    assert set(accuracies(rows)["seeds"]) == {1}


def test_names_that_differ_in_case_or_spaces_alone_are_said(
    tmp_path: Path, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(table(arch=["vit", "ViT", "vit "], model=["ViT-B", "ViT-b", "other"]), tmp_path)
    assert adopt(file, MAP, storage) == (3, 3, 0)
    said = capsys.readouterr().err
    assert "family 'ViT' and 'vit' and 'vit ' differ in case or spaces alone, and stay apart" in said
    assert "name 'ViT-B' and 'ViT-b' differ" in said
    assert set(load_rows(storage).pretrain["family"]) == {"vit", "ViT", "vit "}


def test_a_fit_reads_the_same_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{10.0**i:g};{0.9 * 10 ** (-0.1 * i):.6f}" for i in range(9)]
    (tmp_path / "runs.csv").write_bytes(lines("compute;error", *rows).encode("utf-16"))
    assert main(["fit", str(tmp_path / "runs.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fits"][0]["enough"]


def test_files_that_are_none(tmp_path: Path, storage: Storage) -> None:
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "head.csv").write_text("model,arch\n")
    wrong = {"empty.parquet": "cannot be read", "head.csv": "no rows", "no.csv": "does not exist", "a.xls": "none of"}
    for name, said in wrong.items():
        with pytest.raises(ValueError, match=said):
            adopt(str(tmp_path / name), MAP, storage)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"flops": [True, False, True]}, "'flops' for compute holds Boolean, no numbers"),
        ({"flops": [date(2024, 1, 1)] * 3}, "'flops' for compute holds Date, no numbers"),
        ({"flops": [[1.0], [2.0], [3.0]]}, r"'flops' for compute holds List\(Float64\), no numbers"),
        ({"top1": [timedelta(1)] * 3}, "'top1' for accuracy holds Duration"),
        ({"model": [["a"], ["b"], ["c"]]}, r"'model' for name holds List\(String\), no text"),
        ({"arch": [b"a", b"b", b"c"]}, "'arch' for family holds Binary, no text"),
    ],
)
def test_columns_of_another_type_in_parquet(
    tmp_path: Path, storage: Storage, columns: dict[str, list[object]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        adopt(written(table(**columns), tmp_path, "parquet"), MAP, storage)
    assert storage.list("pretrain") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,a\n1,2\n", "several columns called 'a'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "is no text"),
        (b"", "cannot be read|holds no rows"),
        (b"a\n" + b"\x81\x8d", "is no text in UTF-8, UTF-16 or Windows-1252"),
    ],
)
def test_csv_files_that_are_none(tmp_path: Path, storage: Storage, content: bytes, said: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        adopt(str(tmp_path / "x.csv"), MAP, storage)


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

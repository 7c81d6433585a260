"""The command: what it writes, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.deduplication import corpus
from scaling.data.sources.read import open_split
from scaling.deduplicate.__main__ import Options, main
from tests.helpers.images import pictures


@pytest.mark.parametrize("as_json", [False, True])
def test_the_list_the_report_and_the_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    images = open_split("ifs:classes=4,images=10,size=32", None)
    made = corpus(images, 5, len(images), tmp_path)
    out = tmp_path / "out"
    assert main(Options(made.upstream, (made.tests,), str(out), processes=1, json=as_json)) == 0
    report = json.loads((out / "report.json").read_text())
    printed = capsys.readouterr().out
    assert json.loads(printed) == report if as_json else "25 of 45 upstream images" in printed
    assert report["removed"] == 25
    assert sum(report["by_kind"].values()) == 25
    assert report["tests"] == [{"uri": made.tests, "images": 20, "with_copies": 5}]
    names = [line for line in (out / "removed.txt").read_text().splitlines() if not line.startswith("#")]
    pairs = pl.read_parquet(out / "pairs.parquet")
    assert names == pairs["upstream"].unique(maintain_order=True).to_list()
    upstream = open_split(made.upstream, None)
    assert names == [upstream.name(int(i)) for i in np.flatnonzero(made.originals >= 0)]
    assert len(open_split(f"{made.upstream}?without={out}/removed.txt", None)) == 20  # as a training reads it
    assert pairs["kind"].is_in(["whole", "crop"]).all()
    assert not list((out / ".tmp").iterdir())


def test_copies_with_odd_names_are_left_out_of_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a class folder called by a hash they were taken for comments, and stayed in the training."""
    names = [
        "#hashtag/1.png",
        "#hashtag/ 2.png ",
        "plain/100%?.png",
        "plain/two\n.png",
        "plain/caf\udce9.png",
        "plain/x.png",
    ]
    images = pictures(7, 32)
    for name, data in zip([*names, "plain/y.png"], images, strict=True):
        for place in ("up", "test") if name != "plain/x.png" else ("up",):
            file = tmp_path / "a & b%20" / place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    (tmp_path / "a & b%20" / "test" / "plain" / "y.png").unlink()
    (tmp_path / "a & b%20" / "test" / "plain" / ".DS_Store").write_bytes(b"x")
    up, tests = (f"imagefolder:{tmp_path}/a & b%20/{place}" for place in ("up", "test"))
    out = tmp_path / "a & b%20" / "out"
    assert main(Options(up, (tests,), str(out), processes=1)) == 0
    printed = capsys.readouterr()
    assert "hidden file or folder (plain/.DS_Store)" in printed.err
    (uri,) = [line.partition(": ")[2] for line in printed.out.splitlines() if line.startswith("train without them")]
    left = open_split(uri, None)
    assert sorted(left.name(i) for i in range(len(left))) == ["plain/x.png", "plain/y.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("ifs:", (), "out"), "needs at least one URI"),
        (Options("ifs:", ("ifs:",), "out"), "--against ifs: is the upstream set"),
        (Options("ifs:", ("digits:test",), "out", processes=0), "--processes must be positive, got 0"),
        (Options("parquet:/no/such", ("digits:test",), "out", processes=1), "/no/such"),
    ],
)
def test_what_cannot_be_compared(options: Options, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        main(replace(options, out=str(tmp_path)))
    assert not list(tmp_path.glob("*.txt"))

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

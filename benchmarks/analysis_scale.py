"""What analysis costs on a large study, beside duckdb and pandas.

    python benchmarks/analysis_scale.py [--curve-rows 10000000] [--num-runs 20000] [--repeats 3] [--json]

Of made rows, one Parquet file a table: the best accuracy of each run on its curve, the core-days of all attempts by
family, and the Pareto frontier of the runs. Each library works in processes of its own, in turns, if it is installed
(`pip install duckdb pandas`). Times are CPU seconds of the work without imports, memory what the process grew by.
Goal for 10 million rows: 0.5 CPU s and 0.25 GB.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import importlib.util
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from scaling.console import command_line, console
from scaling.store import TABLES

DAY = 86_400
FAMILIES = ("vit", "resnet", "hybrid")


@dataclass(frozen=True)
class Options:
    """Time analysis of made rows in polars, duckdb and pandas.

    python benchmarks/analysis_scale.py
    python benchmarks/analysis_scale.py --curve-rows 100000 --num-runs 500 --repeats 1
    """

    curve_rows: int = 10_000_000
    """Rows of the curves, over all runs."""
    num_runs: int = 20_000
    """Pre-trained models."""
    repeats: int = 3
    """Processes of each library; the median counts."""
    json: bool = False
    """Print one JSON value instead of text."""
    work: str | None = None
    """LIBRARY:DIR, as a process of the benchmark: work on the rows there."""


def make(folder: Path, curve_rows: int, runs: int) -> None:
    """curve.parquet, attempt.parquet and runs.parquet (one accuracy a run)."""
    rng = np.random.default_rng(0)
    ids = pl.Series("run_id", [f"{place:016x}" for place in rng.permutation(runs)])
    families = pl.Series("family", rng.choice(FAMILIES, runs))
    steps = curve_rows // runs
    whole = pl.DataFrame([ids, families]).select(pl.all().repeat_by(steps).explode())
    curve = whole.with_columns(
        step=pl.int_range(pl.len()) % steps * 100, dev_top1=pl.Series(rng.random(steps * runs)), train_loss=0.5
    )
    curve.write_parquet(folder / "curve.parquet")
    seconds = {name: rng.random(runs) * 100 for name in ("training", "evaluating", "waiting")}
    attempts = pl.DataFrame([ids.alias("unit_id"), families]).with_columns(
        pl.Series(f"seconds_{name}", values) for name, values in seconds.items()
    )
    attempts = attempts.with_columns(
        seconds_total=pl.sum_horizontal(pl.col(f"seconds_{name}") for name in seconds) + 10.0,
        seconds_lost=pl.lit(1.0),
        cores=pl.lit(8, pl.Int64),
        train_flops_valid=pl.lit(1e15),
        **{name: pl.lit(text) for name, text in {"device": "tpu-v3", "precision": "bf16", "outcome": "done"}.items()},
    )
    empty = pl.from_arrow(TABLES["attempt"].empty_table())
    assert isinstance(empty, pl.DataFrame)
    pl.concat([empty, attempts], how="diagonal_relaxed").write_parquet(folder / "attempt.parquet")
    pl.DataFrame([ids, families]).with_columns(
        exaflops_valid=pl.Series(10 ** rng.uniform(0, 4, runs)), top1_mean=pl.Series(rng.random(runs))
    ).write_parquet(folder / "runs.parquet")


# --- the work, in each library: how many runs, core-days of all families, points on the frontier ----------------------


def in_polars(folder: Path) -> tuple[int, float, int]:
    """By the project's own account and frontier."""
    from analysis.accounting import core_time_by_family
    from analysis.compare import frontier
    from analysis.rows import best_on_curves

    found = best_on_curves(pl.scan_parquet(folder / "curve.parquet")).collect()
    days = core_time_by_family(pl.read_parquet(folder / "attempt.parquet"))
    runs = pl.read_parquet(folder / "runs.parquet").with_columns(pretrained=pl.lit(True), task=pl.lit("t"))
    return found.height, float(days["core_days"].sum()), int(frontier(runs)["on_frontier"].sum())


def in_duckdb(folder: Path) -> tuple[int, float, int]:
    import duckdb

    base = duckdb.connect()
    best = base.sql(f"select run_id, max(dev_top1) from '{folder}/curve.parquet' group by run_id").fetchall()
    days = base.sql(
        f"select family, sum(cores * seconds_total) / {DAY}, sum(cores * (seconds_training - seconds_lost)),"
        " sum(cores * seconds_evaluating), sum(cores * seconds_waiting), sum(train_flops_valid)"
        f" from '{folder}/attempt.parquet' group by family"
    ).fetchall()
    running = "max(top1_mean) over ({} order by exaflops_valid)"
    points = base.sql(
        f"select top1_mean = {running.format('')}, top1_mean = {running.format('partition by family')}"
        f" from '{folder}/runs.parquet'"
    ).fetchall()
    return len(best), sum(row[1] for row in days), sum(row[0] for row in points)


def in_pandas(folder: Path) -> tuple[int, float, int]:
    import pandas

    curve = pandas.read_parquet(folder / "curve.parquet", columns=["run_id", "dev_top1"])
    best = curve.groupby("run_id")["dev_top1"].max()
    names = ["family", "cores", "seconds_total", "seconds_training", "seconds_lost", "train_flops_valid"]
    attempts = pandas.read_parquet(folder / "attempt.parquet", columns=names)
    attempts["occupied"] = attempts["cores"] * attempts["seconds_total"] / DAY
    attempts["productive"] = attempts["cores"] * (attempts["seconds_training"] - attempts["seconds_lost"])
    days = attempts.groupby("family")[["occupied", "productive", "train_flops_valid"]].sum()
    runs = pandas.read_parquet(folder / "runs.parquet").sort_values("exaflops_valid")
    on = runs["top1_mean"] == runs["top1_mean"].cummax()
    on_family = runs["top1_mean"] == runs.groupby("family")["top1_mean"].cummax()
    assert on_family.sum() >= len(days)
    return len(best), float(days["occupied"].sum()), int(on.sum())


LIBRARIES: dict[str, Callable[[Path], tuple[int, float, int]]] = {
    "polars": in_polars,
    "duckdb": in_duckdb,
    "pandas": in_pandas,
}


def work(library: str, folder: Path) -> dict[str, Any]:
    """Of this process: CPU seconds, wall seconds, and gigabytes that its peak grew by."""
    importlib.import_module(library)
    for name in ("analysis.accounting.core_days", "analysis.compare.frontier", "analysis.rows"):
        importlib.import_module(name)
    before = _kilobytes("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    found = LIBRARIES[library](folder)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    grown = max(0, _kilobytes("VmHWM") - before) * 1024 / 1e9  # Linux counts in portions: the peak may lag behind
    return {"cpu_seconds": cpu, "seconds": wall, "gigabytes": grown, "found": found}


def _kilobytes(what: str) -> int:
    """Of this process's memory, by Linux: VmRSS now, VmHWM at most. (getrusage has the peak of the parent in it.)"""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[what].split()[0])


def main(options: Options) -> int:
    if options.work is not None:
        library, _, folder = options.work.partition(":")
        print(json.dumps(work(library, Path(folder))))
        return 0
    there = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in there}
    with tempfile.TemporaryDirectory(prefix="analysis-") as folder:
        make(Path(folder), options.curve_rows, options.num_runs)
        for _ in range(options.repeats):
            for name in there:
                command = [sys.executable, __file__, "--work", f"{name}:{folder}"]
                runs[name].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    median = {
        name: {key: statistics.median(run[key] for run in each) for key in ("cpu_seconds", "seconds", "gigabytes")}
        for name, each in runs.items()
    }
    answers = [each[0]["found"] for each in runs.values()]
    for other in answers[1:]:  # the libraries agree
        assert np.allclose(other, answers[0]), answers
    if options.json:
        print(json.dumps(median, indent=1))
        return 0
    out = console()
    out.print(
        f"{options.curve_rows:,} curve rows, {options.num_runs:,} runs: best of each, core-days by family, frontier"
    )
    for name, took in median.items():
        times = took["cpu_seconds"] / median["polars"]["cpu_seconds"]
        told = f"{took['cpu_seconds']:.2f} CPU s ({times:.1f} times polars), {took['seconds']:.2f} s"
        out.print(f"{name:7} {told}, {took['gigabytes']:.2f} GB", markup=False)
    return 0


if __name__ == "__main__":
    command_line(main, Options, renamed={"--runs": "--num-runs"})

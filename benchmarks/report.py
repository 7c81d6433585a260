"""How long the page of a large study takes: a made storage of real row files, read and drawn.

    python benchmarks/report.py [--num-runs 1000] [--storage DIR] [--json]

The study is the quickstart at many lengths and seeds, with trials, finals, few-shot rows, curves and attempts of every
run, as files of their own. Goals: 1,000 runs in 20 s with the reading, and a page of 3 MB at most.
"""

import json
import math
import random
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analysis.report import read_view, report, report_charts
from scaling.console import command_line, console
from scaling.data import resolve_study
from scaling.flops import parameters, pretrain_flops
from scaling.schedule import final_runs, search_pairs
from scaling.specs import Pretrain, Probe, Study, Transfer, family, to_json
from scaling.store import TABLES, Storage, write_rows
from search_spaces.quickstart import STUDY

STEPS = 200  # rows of a curve
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Options:
    """Time the report of a made study.

    python benchmarks/report.py
    python benchmarks/report.py --num-runs 50 --json
    """

    num_runs: int = 1000
    """Pre-trained models."""
    storage: str | None = None
    """Where the study is made, and stays: one that is there is taken as it is. Default: a temporary directory."""
    json: bool = False
    """Print one JSON value instead of text."""


def study(runs: int) -> Study:
    """The quickstart with so many runs, of other lengths and seeds."""
    made = [
        replace(run, epochs=run.epochs * 2 ** (length / 4), seed=seed)
        for length in range(math.ceil(runs / len(STUDY.runs) / 2))
        for seed in range(2)
        for run in STUDY.runs
    ]
    return resolve_study(replace(STUDY, name="made", runs=tuple(made[:runs]), scratch=()))


def make(storage: Storage, made: Study) -> None:
    """Write the study and all of its rows."""
    storage.write("study.json", to_json(made).encode())
    noise = random.Random(0)
    for run in made.runs:
        _upstream(storage, run, noise)
        for few in made.fewshot:
            about = {"probe_id": Probe(run, few).id, **_about(run), "dataset": few.data.name, "l2": few.l2}
            rows = [
                about | {"shots": shots, "seed": seed, "test_top1": _top1(run, noise) - 0.2 / shots}
                for shots in few.shots
                for seed in few.seeds
            ]
            write_rows(storage, "fewshot", rows)
            _attempt(storage, about["probe_id"], "fewshot", run, noise)
    for pair in search_pairs(made):
        trials = pair.task.base_lrs if len(pair.task.base_lrs) > 1 else ()
        settings = [replace(pair.task.own, base_lr=rate) for rate in pair.task.base_lrs]
        for setting in settings if trials else []:
            _transfer(storage, "trial", pair.dev(setting), noise)
        for final in final_runs(pair, settings[:1], made.seeds):
            _transfer(storage, "transfer", final, noise)


def _about(run: Any) -> dict[str, Any]:
    return {"run_id": run.id, "name": run.name, "family": family(run.model)}


def _top1(run: Pretrain, noise: random.Random) -> float:
    return float(1 - 0.7 * (pretrain_flops(run, valid=True) / 1e9) ** -0.12 + noise.gauss(0, 0.01))


def _upstream(storage: Storage, run: Pretrain, noise: random.Random) -> None:
    row = dict.fromkeys(TABLES["pretrain"].names) | _about(run)
    row |= {"parameters": parameters(run.model, resolution=run.resolution), "epochs": run.epochs, "seed": run.seed}
    row |= {"images": run.steps * run.recipe.batch_size, "steps": run.steps, "train_loss": 1.0, "spec": to_json(run)}
    row |= {f"train_flops{kind}": pretrain_flops(run, valid=bool(kind)) for kind in ("", "_valid")}
    write_rows(storage, "pretrain", [row])
    curve = dict.fromkeys(TABLES["curve"].names) | _about(run)
    losses = [2.3 * (1 + step) ** -0.2 + noise.gauss(0, 0.05) for step in range(STEPS)]
    write_rows(storage, "curve", [curve | {"step": i, "images": 32 * i, "train_loss": x} for i, x in enumerate(losses)])
    _attempt(storage, run.id, "pretrain", run, noise)


def _transfer(storage: Storage, table: str, unit: Transfer, noise: random.Random) -> None:
    assert isinstance(unit.upstream, Pretrain)
    row = dict.fromkeys(TABLES[table].names) | _about(unit.upstream) | {"pretrained": True, "seed": unit.seed}
    row |= {"task_id": unit.task.id, "task": unit.task.name, "setting_id": unit.setting.id, "base_lr": unit.base_lr}
    row |= {"steps": unit.steps, "spec": to_json(unit)}
    known = {"trial_id": unit.id, "steps_done": unit.steps, "dev_loss": 1.0, "transfer_id": unit.id}
    known |= {"dev_top1": _top1(unit.upstream, noise), "test_top1": _top1(unit.upstream, noise)}
    known |= {"rung_steps": [unit.steps], "rung_dev_top1": [known["dev_top1"]]}
    write_rows(storage, table, [row | {name: value for name, value in known.items() if name in row}])
    _attempt(storage, unit.id, table, unit.upstream, noise)


def _attempt(storage: Storage, unit_id: str, kind: str, run: Pretrain, noise: random.Random) -> None:
    """One attempt, or a killed one and another."""
    killed = noise.random() < 0.02
    for number, outcome in enumerate(["running", "done"] if killed else ["done"]):
        row = dict.fromkeys(TABLES["attempt"].names) | {"attempt_id": f"{unit_id}-{number}", "unit_id": unit_id}
        row |= {"kind": kind, "study": "made", "name": run.name, "family": family(run.model), "device": "cpu"}
        row |= {"precision": "fp32", "workers": 1, "cores": 1, "host": "a", "first_step": 0, "last_step": 100}
        row |= {"started": START + timedelta(seconds=noise.random() * 1e6), "committed_step": 100}
        row |= {"seconds_total": 10.0, "seconds_training": 8.0, "seconds_evaluating": 1.0, "seconds_waiting": 0.5}
        row |= {"hosts": 1, "slice": None, "start_reason": "first", "seconds_queued": 0.0, "seconds_starting": 0.0}
        row |= {"seconds_lost": 1.0 if outcome == "running" else 0.0, "corrupt_images": 0, "first_corrupt": ""}
        row |= {"train_flops_valid": 1e10, "outcome": outcome}
        write_rows(storage, "attempt", [row])


def measure(storage: Storage) -> dict[str, float]:
    """Seconds of reading and working out, of the charts alone, and of the whole report; the page's size; the runs."""
    start = time.perf_counter()
    seen = read_view(storage)
    read = time.perf_counter()
    report_charts(seen)
    drawn = time.perf_counter()
    report(storage)
    whole = time.perf_counter()
    size = len(storage.read("report.html")) / 1e6
    took = {"view_s": read - start, "charts_s": drawn - read, "report_s": whole - drawn}
    return took | {"page_mb": size, "runs": seen.rows.pretrain.height}


def main(options: Options) -> int:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage.of(options.storage or Path(folder))
        if not storage.exists("study.json"):
            made = study(options.num_runs)
            console(quiet=options.json).print(f"Making the rows of {len(made.runs)} runs ...")
            make(storage, made)
        found = measure(storage)
    if options.json:
        print(json.dumps(found))
    else:
        out = console()
        out.print(f"report of {found['runs']:,} runs: {found['report_s']:.1f} s, a page of {found['page_mb']:.2f} MB")
        out.print(f"reading and working out {found['view_s']:.1f} s, making the charts {found['charts_s']:.1f} s")
    return 0


if __name__ == "__main__":
    command_line(main, Options, renamed={"--runs": "--num-runs"})

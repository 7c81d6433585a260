"""How long plan and status of large studies take: `python benchmarks/status_scale.py [--cells N] [--num-runs N]`.

The rows are synthetic: ten tasks, seven learning rates and three seeds for each of as many models as are needed. The
plan is that of the ViT paper's study with more seeds of its runs.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from analysis.accounting import plan_study
from benchmarks.sweep_scale import made_row
from clusters.hardware import chip_named
from scaling.console import command_line, console
from scaling.data import resolve
from scaling.runs import known_columns
from scaling.schedule import chosen_settings, due_trials, final_runs, result_of, search_pairs, study_status
from scaling.specs import Released, Study, Transfer, to_json, zoo_model
from scaling.store import TABLES, Storage, write_rows
from search_spaces.grids import TASKS
from search_spaces.vit_paper import STUDY as PAPER

TASKS_EACH, BASE_LRS, SEEDS = 10, 7, (0, 1, 2)


@dataclass(frozen=True)
class Options:
    """Time the status of a large finished study, and the plan of another.

    python benchmarks/status_scale.py
    python benchmarks/status_scale.py --cells 1000 --num-runs 100
    """

    cells: int = 10_000
    """Trials and final runs, about."""
    num_runs: int = 1000
    """Pre-training runs of the study that is planned."""


def main(options: Options) -> int:
    out = console()
    seeds = range(-(-options.num_runs // len(PAPER.runs)))
    large = replace(
        PAPER, runs=tuple(replace(run, seed=seed) for seed in seeds for run in PAPER.runs)[: options.num_runs]
    )
    began, cpu = time.perf_counter(), time.process_time()
    costs = plan_study(large, chip_named(large.hardware))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    fine_tunings = costs.transfer.trials + costs.transfer.finals
    out.print(f"{options.num_runs} runs, {fine_tunings} fine-tunings: plan in {wall:.1f} s, {cpu:.1f} CPU s")
    with tempfile.TemporaryDirectory(prefix="status-") as folder:
        storage = Storage.of(folder)
        storage.make()
        cells = make(options.cells, storage)
        began, cpu = time.perf_counter(), time.process_time()
        status = study_status(storage)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert status.finished
    out.print(f"{cells} cells: status in {wall:.1f} s, {cpu:.1f} CPU s")
    return 0


def make(cells: int, storage: Storage) -> int:
    """Write the rows of a finished study. Returns the number of its cells."""
    digits = replace(TASKS["digits"], data=resolve(TASKS["digits"].data))
    tasks = tuple(
        replace(digits, name=f"task-{i}", steps=50 + i, base_lrs=tuple(0.1 * (1 + lr) for lr in range(BASE_LRS)))
        for i in range(TASKS_EACH)
    )
    models = -(-cells // (TASKS_EACH * (BASE_LRS + len(SEEDS))))
    released = tuple(
        Released(f"model-{i}", zoo_model("ViT-micro-S/4"), "made-up.npz", f"{i:064x}") for i in range(models)
    )
    study = Study(name="large", runs=(), tasks=tasks, released=released, seeds=SEEDS)
    storage.write("study.json", to_json(study).encode())
    count = 0
    for pair in search_pairs(study):
        results = {}
        for trial in due_trials(pair, {})[0]:
            row = made_row(trial.transfer)
            results[trial.transfer.id] = result_of(row)
            _leave(storage, trial.transfer, row)
        finals = final_runs(pair, chosen_settings(pair, results), SEEDS)
        for final in finals:
            judged = {"transfer_id": final.id, "test_top1": 0.5, "train_loss": 1.0}
            _leave(storage, final, known_columns(final) | judged)
        count += len(results) + len(finals)
    return count


def _leave(storage: Storage, transfer: Transfer, row: dict[str, Any]) -> None:
    kind = transfer.table
    write_rows(storage, kind, [row])
    known = {"attempt_id": f"{transfer.id}-0", "unit_id": transfer.id, "kind": kind, "name": transfer.upstream.name}
    ended = {"started": datetime.now(UTC), "seconds_total": 1.0, "last_step": transfer.steps, "outcome": "done"}
    write_rows(storage, "attempt", [dict.fromkeys(TABLES["attempt"].names) | known | ended])


if __name__ == "__main__":
    command_line(main, Options, renamed={"--runs": "--num-runs"})

"""A long sweep of trials that do nothing beside bare Ray Tune: `python benchmarks/sweep_scale.py [--trials N]`.

Both run as many trials that sleep, in as many slots, with actors that are used again and have torch, in one Ray
session. Ours also decides which trials there are, of several searches, commits a row each and shows them in Optuna.
What counts are ratios of wall time and of the driver's CPU time, and by how much the driver's memory grows.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from scaling.console import command_line, console
from scaling.data import resolve
from scaling.schedule import Pair
from scaling.specs import Scratch, Transfer, zoo_model
from scaling.store import Storage, finished_ids, write_rows
from search_spaces.grids import TASKS

PAIRS = 20  # searches that the trials belong to
PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20  # MiB


@dataclass(frozen=True)
class Options:
    """Run trials that sleep on bare Tune and through our sweep: ratios of their time.

    python benchmarks/sweep_scale.py
    python benchmarks/sweep_scale.py --trials 200 --max-concurrent 4
    """

    trials: int = 1000
    """Number of trials."""
    seconds: float = 0.2
    """Seconds that a trial sleeps."""
    max_concurrent: int = 8
    """Trials side by side."""
    json: bool = False
    """Print one JSON value instead of text."""


@dataclass(frozen=True)
class Measured:
    wall: float  # s
    cpu: float  # s, of the driver
    growth: float  # MiB of the driver's memory, from the tenth of the trials on


def main(options: Options) -> int:
    if options.trials < 2 * PAIRS or options.max_concurrent < 1:
        given = f"{options.trials} and {options.max_concurrent}"
        raise ValueError(f"--trials must be at least {2 * PAIRS} and --max-concurrent 1, got {given}")
    from clusters.execution import session

    out = console(options.json)
    with tempfile.TemporaryDirectory(prefix="sweep-scale-") as folder, session(num_cpus=options.max_concurrent):
        storage = Storage.of(folder)
        storage.make()
        out.print(f"{options.trials} trials of {options.seconds:g} s, {options.max_concurrent} at a time")
        bare = measured(lambda ended: _bare(options, ended), options.trials)
        ours = measured(lambda ended: _ours(options, storage, ended), options.trials)
        rows, attempts = (len(finished_ids(storage, table)) for table in ("trial", "attempt"))
    assert rows == options.trials, f"{rows} rows of {options.trials} trials"
    ratios = {"wall": ours.wall / bare.wall, "cpu": ours.cpu / bare.cpu}
    for name, each in (("bare Tune", bare), ("ours", ours)):
        out.print(f"{name:10} {each.wall:7.1f} s, driver's CPU {each.cpu:6.1f} s, memory grows {each.growth:5.1f} MiB")
    out.print(
        f"ratio      {ratios['wall']:7.2f}    driver's CPU {ratios['cpu']:6.2f}      rows {rows}, attempts {attempts}"
    )
    if options.json:
        print(json.dumps({"bare": asdict(bare), "ours": asdict(ours), "ratio": ratios, "rows": rows}))
    return 0


def measured(sweep: Callable[[Callable[[], None]], None], trials: int) -> Measured:
    """A sweep that calls its argument at the end of every trial."""
    memory: list[float] = []

    def ended() -> None:
        memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)

    wall, cpu = time.perf_counter(), time.process_time()
    sweep(ended)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measured(wall, cpu, memory[-1] - memory[trials // 10])


def _bare(options: Options, ended: Callable[[], None]) -> None:
    from ray import tune

    class Ended(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ended()

    seconds = options.seconds

    def sleep(config: dict[str, Any]) -> None:
        import torch  # noqa: F401, as whoever trains has to

        time.sleep(seconds)
        tune.report({"done": 1})

    with tempfile.TemporaryDirectory(prefix="bare-") as folder:
        tune.Tuner(
            tune.with_resources(sleep, {"CPU": 1}),
            param_space={"rate": tune.grid_search([float(i) for i in range(options.trials)])},
            tune_config=tune.TuneConfig(max_concurrent_trials=options.max_concurrent, reuse_actors=True),
            run_config=tune.RunConfig(name="bare", storage_path=folder, verbose=0, callbacks=[Ended()]),
        ).fit()


def _ours(options: Options, storage: Storage, ended: Callable[[], None]) -> None:
    from clusters.execution import Placement, Work, mirrored, place, sweep

    task = replace(TASKS["digits"], data=resolve(TASKS["digits"].data))
    rates = [0.1 + 0.001 * i for i in range(options.trials)]
    pairs = [
        Pair(Scratch(f"nothing-{i}", zoo_model("ViT-micro-S/4")), replace(task, base_lrs=tuple(rates[i::PAIRS])), 0)
        for i in range(PAIRS)
    ]
    seconds = options.seconds

    def nothing(work: Work, storage: Storage, *_: Any) -> dict[str, Any]:
        pass

        time.sleep(seconds)
        assert isinstance(work.unit, Transfer)
        row = made_row(work.unit)
        write_rows(storage, "trial", [row])
        return row

    with mirrored(None, storage, pairs, {}) as mirror:
        sweep(
            pairs,
            {},
            checkpoints={pair.upstream.id: None for pair in pairs},
            mirror=mirror,
            storage=storage,
            study="scale",
            placement=place(Placement(precision="fp32")),
            done=lambda unit, error: ended(),
            do=nothing,
        )


def made_row(trial: Transfer) -> dict[str, Any]:
    """What a trial that was not made would have as its row."""
    from scaling.runs import known_columns

    judged = {"trial_id": trial.id, "steps_done": trial.steps, "dev_top1": 0.5, "dev_loss": 1.0}
    return {**known_columns(trial), **judged, "train_loss": 1.0, "rung_steps": [trial.steps], "rung_dev_top1": [0.5]}


if __name__ == "__main__":
    command_line(main, Options, renamed={"--slots": "--max-concurrent"})

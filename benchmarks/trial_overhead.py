"""What a trial of a sweep costs beyond its own training: `python benchmarks/trial_overhead.py [--trials N]`.

One-worker trials go through the real sweep on a local Ray, with actors that are used again. A slot's time goes into the
trials' own work (training, evaluating and waiting for data, by the attempts' rows) and into the rest. The rest of a
trial is its set-up (model, weights of the checkpoint, optimizer, rows), inside its attempt, and Tune's part, between
one attempt and the next of a slot. The start of the sweep, before the first attempt, comes once and is told apart.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import json
import tempfile
import time
from dataclasses import asdict, dataclass, replace

import polars as pl

from scaling.console import command_line, console
from scaling.data import DIGITS, resolve
from scaling.runs import pretrain
from scaling.schedule import Pair
from scaling.specs import Pretrain, Task, zoo_model
from scaling.store import Storage, checkpoint_name, read_table
from scaling.training import local_device
from search_spaces.grids import TASKS
from search_spaces.recipes import RECIPE

GOAL_SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """Time a sweep of one-worker trials: what a trial costs besides its training.

    python benchmarks/trial_overhead.py
    python benchmarks/trial_overhead.py --trials 8 --steps 20 --json
    """

    trials: int = 24
    """Number of trials, at least 2."""
    steps: int = 50
    """Optimizer steps of a trial: on digits, at 16 pixels."""
    model: str = "ViT-micro-S/4"
    """A model of the zoo."""
    max_concurrent: int = 2
    """Trials side by side, a CPU each."""
    json: bool = False
    """Print one JSON value instead of text."""


@dataclass(frozen=True)
class Overhead:
    """Seconds of a slot; all but `start` are means of a trial."""

    trials: int
    slots: int
    start: float  # from the call of the sweep to its first attempt
    work: float  # training, evaluating and waiting for data
    setup: float  # else inside an attempt
    between: float  # outside attempts, from the first one's start to the end of the sweep

    @property
    def overhead(self) -> float:
        """Of a trial over its own work."""
        return self.setup + self.between

    @property
    def overhead_with_start(self) -> float:
        return self.overhead + self.start * self.slots / self.trials


def main(options: Options) -> int:
    if options.trials < 2 or options.max_concurrent < 1:
        raise ValueError(
            f"--trials must be at least 2 and --max-concurrent 1, got {options.trials} and {options.max_concurrent}"
        )
    from clusters.execution import session

    out = console(options.json)
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder, session(num_cpus=options.max_concurrent):
        storage = Storage.of(folder)
        storage.make()
        upstream = _upstream(options, storage)
        pair = Pair(upstream, _task(options), 0)
        trials = f"{options.trials} trials of {upstream.name}, {options.steps} steps each"
        out.print(f"{trials}, {options.max_concurrent} at a time")
        began = time.time()
        _sweep(pair, storage)
        measured = overhead(
            read_table(storage, "attempt").filter(kind="trial"), began, time.time(), options.max_concurrent
        )
    out.print("\n".join(report(measured)))
    if options.json:
        sums = {"overhead": measured.overhead, "overhead_with_start": measured.overhead_with_start}
        print(json.dumps(asdict(measured) | sums | {"goal": GOAL_SECONDS}))
    return 0


def _upstream(options: Options, storage: Storage) -> Pretrain:
    """A checkpoint to start from, of a training of a few steps."""
    run = Pretrain(options.model, zoo_model(options.model), resolve(DIGITS), 1e-3, 0.1, RECIPE, resolution=16)
    pretrain(run, storage=storage, study="overhead", device=local_device("fp32", 1), report=lambda step, metrics: None)
    return run


def _task(options: Options) -> Task:
    rates = tuple(0.1 + 0.001 * i for i in range(options.trials))
    return replace(TASKS["digits"], data=resolve(DIGITS), base_lrs=rates, steps=options.steps)


def _sweep(pair: Pair, storage: Storage) -> None:
    from clusters.execution import Placement, place, sweep

    sweep(
        [pair],
        {},
        checkpoints={pair.upstream.id: storage.path(checkpoint_name(pair.upstream.id))},
        mirror=None,
        storage=storage,
        study="overhead",
        placement=place(Placement(precision="fp32")),
        done=lambda unit, error: None,
    )


def overhead(attempts: pl.DataFrame, began: float, ended: float, slots: int) -> Overhead:
    """From the attempts' rows and the times (s since 1970) at which the sweep was called and returned."""
    unfinished = attempts.filter(pl.col("outcome") != "done").height
    assert not unfinished, f"{unfinished} attempts did not end well"
    own = pl.col("seconds_training") + pl.col("seconds_evaluating") + pl.col("seconds_waiting")
    work, inside = attempts.select(own.mean().alias("work"), pl.col("seconds_total").mean()).row(0)
    first = attempts["started"].min().timestamp()  # type: ignore[union-attr]
    between = (ended - first) * slots / attempts.height - inside
    return Overhead(attempts.height, slots, first - began, work, inside - work, between)


def report(measured: Overhead) -> list[str]:
    verdict = "within" if measured.overhead <= GOAL_SECONDS else "above"
    return [
        f"own work of a trial     {measured.work:6.2f} s",
        f"set-up inside a trial   {measured.setup:6.2f} s",
        f"between two trials      {measured.between:6.2f} s",
        f"overhead of a trial     {measured.overhead:6.2f} s, {verdict} the goal of {GOAL_SECONDS:g} s",
        f"start of the sweep      {measured.start:6.2f} s once: with it {measured.overhead_with_start:.2f} s a trial",
    ]


if __name__ == "__main__":
    command_line(main, Options, renamed={"--slots": "--max-concurrent"})

"""Searches against each other on Fashion-MNIST: a grid of rates, TPE with regularization, and halving.

    python benchmarks/searches.py [--trials 24] [--seeds 0 1 2] [--data URI] [--json]

All start from one model, pre-trained on the spot, and have the same number of trials, in this process, without Ray. A
seed is that of the fine-tunings and, for TPE, of its search. Goals: TPE's best dev accuracy is at least the grid's in
the median over seeds; ASHA's best is within half a point of the same search without it, in half of its steps. Nothing
is tested, so the larger of the two committed splits serves: of its 2,000 images half are judged on, and half a point is
five of them.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaling.console import command_line, console
from scaling.data import ifs, resolve
from scaling.runs import finetune, pretrain
from scaling.schedule import Pair, Result, due_trials, result_of
from scaling.specs import Choice, Dataset, Halving, Pretrain, Search, Task, zoo_model
from scaling.store import Storage, checkpoint_name
from scaling.training import local_device
from search_spaces.grids import TASKS
from search_spaces.recipes import RECIPE
from search_spaces.regularization import RATE, regularization


@dataclass(frozen=True)
class Options:
    """Compare searches by the best dev accuracy they find, and by their steps.

    python benchmarks/searches.py
    python benchmarks/searches.py --trials 8 --seeds 0 --json
    """

    data: str = "fashion:test"
    """Images to fine-tune on and to judge by, such as parquet:PATH of the whole set."""
    dev_fraction: float = 0.5
    """Share of the images to judge by."""
    trials: int = 24
    """Trials of each search."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the fine-tunings and of TPE."""
    steps: int = 162
    """Optimizer steps of a fine-tuning."""
    model: str = "ViT-micro-M/4"
    """A model of the zoo."""
    epochs: float = 3.0
    """Epochs of its pre-training, on 6,000 images."""
    json: bool = False
    """Print one JSON value instead of text."""


def searches(options: Options) -> dict[str, Callable[[Task, int], Task]]:
    """Each makes the task of a seed."""
    rates = tuple(RATE.low * (RATE.high / RATE.low) ** (i / (options.trials - 1)) for i in range(options.trials))
    grid = Search((("base_lr", Choice(rates)),), sampler="grid")
    return {
        "grid": lambda task, seed: replace(task, base_lrs=(), search=grid),
        "tpe": lambda task, seed: replace(
            task, search=regularization(options.trials - len(task.base_lrs), seed, task.base_lrs)
        ),
        "grid with ASHA": lambda task, seed: replace(
            task, base_lrs=(), search=grid, halving=Halving(max(1, options.steps // 4), 4)
        ),
    }


def main(options: Options) -> int:
    if options.trials < 4:
        raise ValueError(f"trials must be at least 4, got {options.trials}")
    out, found = console(options.json), []
    with tempfile.TemporaryDirectory(prefix="searches-") as folder:
        storage = Storage.of(folder)
        storage.make()
        run = _upstream(options, storage)
        data = resolve(Dataset("fashion", options.data, options.data))
        task = replace(TASKS["fashion"], data=data, dev_fraction=options.dev_fraction, steps=options.steps)
        for name, make in searches(options).items():
            for seed in options.seeds:
                place = Storage.of(Path(folder) / f"{name}-{seed}".replace(" ", "-"))
                checkpoint = storage.path(checkpoint_name(run.id))
                found.append(
                    {"search": name, "seed": seed, **searched(Pair(run, make(task, seed), seed), checkpoint, place)}
                )
                out.print(_line(found[-1]))
    verdicts = compared(found)
    out.print(*(f"{name}: {value:.4g}" for name, value in verdicts.items()), sep="\n")
    if options.json:
        print(json.dumps({"searches": found, **verdicts}))
    return 0


def searched(pair: Pair, checkpoint: str, storage: Storage) -> dict[str, Any]:
    """Run a search to its end: best dev accuracy of trials that ran to theirs, steps and seconds of all."""
    known: dict[str, Result | None] = {}
    steps, began = 0, time.monotonic()
    while todo := due_trials(pair, known)[0]:
        trial = todo[0]
        before = known.get(trial.transfer.id)
        row = finetune(
            trial.transfer,
            checkpoint=checkpoint,
            storage=storage,
            study="searches",
            device=local_device("fp32", 1),
            report=lambda step, metrics: None,
            until=trial.until,
        )
        known[trial.transfer.id] = result_of(row)
        steps += row["steps_done"] - (before.steps if before else 0)
    whole = [each.dev_top1 for each in known.values() if each is not None and each.steps == pair.task.steps]
    return {"dev_top1": max(whole), "steps": steps, "seconds": time.monotonic() - began}


def compared(found: list[dict[str, Any]]) -> dict[str, float]:
    """The goals' figures, medians over seeds: points of dev accuracy, and the share of the steps."""

    def of(name: str, column: str) -> list[float]:
        return [row[column] for row in found if row["search"] == name]

    def points(name: str) -> float:
        pairs = zip(of(name, "dev_top1"), of("grid", "dev_top1"), strict=True)
        return 100 * statistics.median(mine - grid for mine, grid in pairs)

    return {
        "TPE less the grid, points (goal: 0 or more)": points("tpe"),
        "ASHA less the grid, points (goal: -0.5 or more)": points("grid with ASHA"),
        "ASHA's share of the grid's steps (goal: 0.5 or less)": sum(of("grid with ASHA", "steps"))
        / sum(of("grid", "steps")),
    }


def _upstream(options: Options, storage: Storage) -> Pretrain:
    data = resolve(ifs(classes=10, images=600, size=16))
    run = Pretrain(options.model, zoo_model(options.model), data, 2e-3, options.epochs, RECIPE, resolution=16)
    device = local_device("fp32", 1)
    pretrain(run, storage=storage, study="searches", device=device, report=lambda step, metrics: None)
    return run


def _line(row: dict[str, Any]) -> str:
    steps, seconds = row["steps"], row["seconds"]
    return f"{row['search']:<15} seed {row['seed']}  {row['dev_top1']:.2%}  {steps:>6,} steps  {seconds:5.0f} s"


if __name__ == "__main__":
    command_line(main, Options)

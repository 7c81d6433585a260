"""Hyperparameter searches compared on Fashion-MNIST: a grid of learning rates, TPE with regularization, and halving.

    python benchmarks/searches.py [--trials 24] [--seeds 0 1 2] [--data URI] [--json]

All start from one model, which is pre-trained first, and have the same number of trials, in this process, without Ray.
A seed is the seed of the fine-tunings and, for TPE, of its sampler. Goals: TPE's best dev accuracy is at least the
grid's in the median over seeds; ASHA's best is within half a point of the same search without it, in half of the steps.
Test accuracy is not needed, so the larger of the two committed splits is used: half of its 2,000 images are the dev
split, of which half a point is five images.
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
from scaling.specs import Choice, Dataset, Execution, Halving, Pretrain, Search, Task, zoo_model
from scaling.store import Storage, checkpoint_name
from scaling.training import local_device
from search_spaces.grids import TASKS
from search_spaces.recipes import RECIPE
from search_spaces.regularization import BASE_LR, regularization


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
    """Searches by name: each makes the task of a seed."""
    base_lrs = tuple(
        BASE_LR.low * (BASE_LR.high / BASE_LR.low) ** (i / (options.trials - 1)) for i in range(options.trials)
    )
    grid = Search((("base_lr", Choice(base_lrs)),), sampler="grid")
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
    out, rows = console(options.json), []
    with tempfile.TemporaryDirectory(prefix="searches-") as folder:
        storage = Storage.of(folder)
        storage.make()
        run = _upstream(options, storage)
        # No final run, so no test image is ever opened.
        data = replace(resolve(Dataset("fashion", options.data)), test="fashion:test")
        task = replace(TASKS["fashion"], data=data, dev_fraction=options.dev_fraction, steps=options.steps)
        for name, make in searches(options).items():
            for seed in options.seeds:
                place = Storage.of(Path(folder) / f"{name}-{seed}".replace(" ", "-"))
                checkpoint = storage.path(checkpoint_name(run.id))
                rows.append(
                    {"search": name, "seed": seed, **run_search(Pair(run, make(task, seed), seed), checkpoint, place)}
                )
                out.print(_line(rows[-1]))
    verdicts = compare(rows)
    out.print(*(f"{name}: {value:.4g}" for name, value in verdicts.items()), sep="\n")
    if options.json:
        print(json.dumps({"searches": rows, **verdicts}))
    return 0


def run_search(pair: Pair, checkpoint: str, storage: Storage) -> dict[str, Any]:
    """Run a search to its end: the best dev accuracy of complete trials, and steps and seconds of all trials."""
    results: dict[str, Result | None] = {}
    steps, began = 0, time.monotonic()
    while due := due_trials(pair, results)[0]:
        trial = due[0]
        before = results.get(trial.transfer.id)
        row = finetune(
            trial.transfer,
            checkpoint=checkpoint,
            storage=storage,
            study="searches",
            device=local_device(Execution("fp32"), 1),
            report=lambda step, metrics: None,
            until=trial.until,
        )
        results[trial.transfer.id] = result_of(row)
        steps += row["steps_done"] - (before.steps if before else 0)
    complete = [each.dev_top1 for each in results.values() if each is not None and each.steps == pair.task.steps]
    return {"dev_top1": max(complete), "steps": steps, "seconds": time.monotonic() - began}


def compare(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of the goals: points of dev accuracy, in the median over seeds, and the share of the steps."""

    def of(name: str, column: str) -> list[float]:
        return [row[column] for row in rows if row["search"] == name]

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
    device = local_device(Execution("fp32"), 1)
    pretrain(run, storage=storage, study="searches", device=device, report=lambda step, metrics: None)
    return run


def _line(row: dict[str, Any]) -> str:
    steps, seconds = row["steps"], row["seconds"]
    return f"{row['search']:<15} seed {row['seed']}  {row['dev_top1']:.2%}  {steps:>6,} steps  {seconds:5.0f} s"


if __name__ == "__main__":
    command_line(main, Options)

"""Fine-tune one checkpoint over a grid: `python -m scaling.finetune_grid --checkpoint DIR --task NAME`."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scaling import results
from scaling.cli import command_line, console
from scaling.lease import lease
from scaling.specs import Precision, Pretrain, Study, Task, from_json
from scaling.storage import Storage
from scaling.study import resolved
from scaling.units import chosen_rate, finished


@dataclass(frozen=True)
class Options:
    """Choose the rate on a dev split, then fine-tune on the whole training set with every seed and test once (§4.1)."""

    checkpoint: str
    """Directory or URI of a checkpoint: model.safetensors and spec.json, as a study leaves them."""
    task: str
    """A task of search_spaces.grids, such as digits, fashion or cifar10."""
    storage: str = "results/finetune"
    """Directory or URI for the rows. What they already show is not run again."""
    train: str | None = None
    """URI of the training split, for a task whose data are not built in: parquet:PATH."""
    test: str | None = None
    """URI of the test split."""
    base_lrs: tuple[float, ...] | None = None
    """The grid. Default: the task's."""
    steps: int | None = None
    """Optimizer steps. Default: the task's."""
    resolution: int | None = None
    """Pixels a side. Default: the task's."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the final runs."""
    precision: Precision | None = None
    """fp32 or bf16. Default: bf16 on a GPU, fp32 on a CPU."""
    compile: bool = False
    """Compile the training steps (torch.compile): a while at the start of each trial, faster steps after it."""
    microbatch: int | None = None
    """Images of a forward pass on a worker, where its share of the batch does not fit. Default: the whole share."""
    json: bool = False
    """Print one JSON value instead of text."""


def main(options: Options) -> int:
    upstream = _upstream(options.checkpoint)
    study = resolved(Study("finetune", (upstream,), (_task(options),), seeds=options.seeds))
    storage = Storage.of(options.storage)
    storage.make()

    out, failed = console(quiet=options.json), 0
    given = {upstream.id: Storage.of(options.checkpoint).uri}
    if not finished(study, storage, given):
        with lease(storage, f"grid of {upstream.name} on {options.task}"):
            from clusters.run import run  # not before: neither a mistake nor a finished grid should wait for ray

            failed = run(
                study,
                storage,
                out,
                precision=options.precision,
                compile=options.compile,
                microbatch=options.microbatch,
                given=given,
            )
    summary = _summary(study, storage)
    if options.json:
        print(json.dumps(summary, indent=1))
    else:
        _show(summary, storage, out)
    return 1 if failed else 0


def _upstream(checkpoint: str) -> Pretrain:
    place = Storage.of(checkpoint)
    if not place.exists("model.safetensors") or not place.exists("spec.json"):
        raise ValueError(f"{checkpoint} is no checkpoint: it needs model.safetensors and spec.json")
    return from_json(Pretrain, place.read("spec.json").decode())


def _task(options: Options) -> Task:
    from search_spaces.grids import TASKS

    if options.task not in TASKS:
        raise ValueError(f"unknown task {options.task!r}: take one of {', '.join(TASKS)}")
    task = TASKS[options.task]
    data = replace(task.data, train=options.train or task.data.train, test=options.test or task.data.test)
    if data.train is None or data.test is None:
        raise ValueError(f"task {task.name} has no data of its own: give --train and --test, such as parquet:PATH")
    return replace(
        task,
        data=data,
        base_lrs=options.base_lrs or task.base_lrs,
        steps=options.steps or task.steps,
        resolution=options.resolution or task.resolution,
    )


def _summary(study: Study, storage: Storage) -> dict[str, object]:
    """The grid with dev accuracies, the chosen rate, and the test accuracy over seeds; accuracies are fractions."""
    upstream, task = study.runs[0], study.tasks[0]
    pair = {"run_id": upstream.id, "task_id": task.id}
    trials = results.read(storage, "trial").filter(**pair).sort("base_lr")
    rate = chosen_rate(upstream, task, trials)
    finals = results.read(storage, "transfer").filter(**pair, base_lr=rate).sort("seed")
    finals = finals.filter(finals["seed"].is_in(study.seeds))
    return {
        "model": upstream.name,
        "task": task.name,
        "grid": trials.select("base_lr", "dev_top1", "dev_loss").to_dicts(),
        "base_lr": rate,
        "finals": finals.select("seed", "test_top1").to_dicts(),
        "test_top1_mean": finals["test_top1"].mean(),
        "test_top1_std": finals["test_top1"].std(),
    }


def _show(summary: dict, storage: Storage, out: Console) -> None:
    grid = Table(title=f"{summary['model']} on {summary['task']}", title_justify="left")
    for heading in ("base lr", "dev accuracy", "dev loss", ""):
        grid.add_column(heading, justify="right")
    for row in summary["grid"]:
        chosen = "chosen" if row["base_lr"] == summary["base_lr"] else ""
        grid.add_row(f"{row['base_lr']:g}", f"{row['dev_top1']:.2%}", f"{row['dev_loss']:.4f}", chosen)
    out.print(grid)
    if summary["finals"]:
        tests = ", ".join(f"{row['test_top1']:.2%} (seed {row['seed']})" for row in summary["finals"])
        mean, std = summary["test_top1_mean"], summary["test_top1_std"]
        spread = "" if std is None else f" ± {std:.2%} over {len(summary['finals'])} seeds"
        out.print(f"test accuracy at {summary['base_lr']:g}: [bold]{mean:.2%}{spread}[/bold]: {tests}")
    out.print(f"rows: {Path(storage.uri) if storage.local else storage.uri}")


if __name__ == "__main__":
    command_line(main, Options)

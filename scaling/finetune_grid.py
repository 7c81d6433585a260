"""Fine-tune one checkpoint over a grid: `python -m scaling.finetune_grid --checkpoint DIR --task NAME`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import tyro
from rich.console import Console
from rich.table import Table

from scaling import results
from scaling.candidates import chosen, searched
from scaling.cli import Machine, command_line, console, storage_of
from scaling.lease import lease
from scaling.proposals import Result
from scaling.provenance import record, typed
from scaling.search import PARAMETERS, parameters_of
from scaling.specs import Halving, Pretrain, Released, Search, Setting, Study, Task, Transfer
from scaling.storage import Storage
from scaling.study import pairs, resolved
from scaling.trained import directory, is_file, model_of, spec_of
from scaling.units import finished, trial_results


@dataclass(frozen=True)
class Options:
    """Choose the setting on a dev split, then fine-tune on all training images with every seed and test once (§4.1)."""

    checkpoint: str
    """A checkpoint of a study, as a directory or URI; or, with --runs, a run's id or name; or an official .npz."""
    task: str
    """A task of search_spaces.grids, such as digits or cifar10; or a name for your own, with --train and --test."""
    runs: str | None = None
    """Storage of a study that trained the checkpoint."""
    model: str | None = None
    """The model of a file of weights, by its name in the zoo, such as ViT-B/16."""
    storage: str = "results/finetune"
    """Directory or URI for the rows. What they already show is not run again."""
    train: str | None = None
    """URI of the training split, for a task whose data are not built in: parquet:PATH, imagefolder:DIR, ..."""
    test: str | None = None
    """URI of the test split."""
    dev: str | None = None
    """URI of an official validation split, whose images are among those of --train. Default: a random share of them."""
    base_lrs: tuple[float, ...] | None = None
    """The grid. Default: the task's."""
    search: str | None = None
    """After the grid, a search of search_spaces.regularization: regularization."""
    trials: int = 24
    """Trials of the search, besides the grid."""
    search_seed: int = 0
    """Seed of the search."""
    halving: int | None = None
    """End poor trials early (ASHA): steps of the first rung, each of the following is three times as long."""
    steps: int | None = None
    """Optimizer steps. Default: the task's."""
    resolution: int | None = None
    """Pixels a side. Default: the task's."""
    final_resolution: int | None = None
    """Pixels a side of the final runs, where they differ. Default: the task's."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the final runs."""
    keep: bool = False
    """Keep the fine-tuned weights, for scaling.evaluate."""
    json: bool = False
    """Print one JSON value instead of text."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = field(default_factory=Machine)


def main(options: Options) -> int:
    options.machine.check()
    upstream, given = _upstream(options)
    runs, released = ((), (upstream,)) if isinstance(upstream, Released) else ((upstream,), ())
    study = resolved(Study("finetune", runs, (_task(options),), released=released, seeds=options.seeds))
    storage = storage_of(options.storage)
    storage.make()

    out, failed = console(quiet=options.json), 0
    if not finished(study, storage, given):
        with lease(storage, f"grid of {upstream.name} on {options.task}"):
            from clusters.placement import wished  # not before: a mistake or a finished grid should not wait for ray
            from clusters.run import run
            from clusters.tracking import prepare

            prepare(options.machine.tracking, study.name)
            record(storage, typed())
            failed = run(
                study,
                storage,
                out,
                wished(options.machine),
                given=given,
                optuna_url=options.machine.optuna_storage,
            )
    summary = _summary(study, storage)
    if options.json:
        print(json.dumps(summary, indent=1))
    else:
        _show(summary, storage, out)
    return 1 if failed else 0


def _upstream(options: Options) -> tuple[Pretrain | Released, dict[str, str]]:
    """What is fine-tuned, and where its checkpoint is, by its id, unless it says so itself."""
    if is_file(options.checkpoint):
        return Released(str(options.model), model_of(options.checkpoint, options.model), options.checkpoint), {}
    place = directory(options.checkpoint, options.runs)
    run = spec_of(place)
    if isinstance(run, Transfer):
        raise ValueError(f"{options.checkpoint} is fine-tuned already: take the run it is of, {run.upstream.id}")
    return run, {run.id: place.uri}


def _task(options: Options) -> Task:
    from search_spaces.grids import TASKS, own_task

    if options.task not in TASKS and (options.train is None or options.test is None):
        raise ValueError(
            f"unknown task {options.task!r}: take one of {', '.join(TASKS)}, or give --train and --test of your own"
        )
    task = TASKS.get(options.task) or own_task(options.task)
    data = replace(
        task.data,
        train=options.train or task.data.train,
        test=options.test or task.data.test,
        dev=options.dev or task.data.dev,
    )
    if data.train is None or data.test is None:
        raise ValueError(f"task {task.name} has no data of its own: give --train and --test, such as parquet:PATH")
    return replace(
        task,
        data=data,
        base_lrs=options.base_lrs or task.base_lrs,
        search=_search(options),
        halving=Halving(options.halving) if options.halving is not None else None,
        steps=options.steps or task.steps,
        resolution=options.resolution or task.resolution,
        final_resolution=options.final_resolution or task.final_resolution,
        keep=options.keep or task.keep,
    )


def _search(options: Options) -> Search | None:
    from search_spaces.regularization import SEARCHES

    if options.search is None:
        return None
    if options.search not in SEARCHES:
        raise ValueError(f"unknown search {options.search!r}: take one of {', '.join(SEARCHES)}")
    return SEARCHES[options.search](options.trials, options.search_seed)


def _summary(study: Study, storage: Storage) -> dict[str, object]:
    """The dev trials, and of each chosen setting the test accuracy over seeds; accuracies are fractions."""
    (pair,), known = pairs(study), trial_results(storage)
    settings, best = searched(pair, known)[0], chosen(pair, known)
    varied = _varied(settings)
    transfers = results.read(storage, "transfer").filter(run_id=pair.upstream.id, task_id=pair.task.id)
    return {
        "model": pair.upstream.name,
        "task": pair.task.name,
        "varied": varied,
        "grid": [
            {**parameters_of(setting, varied), **_outcome(known.get(pair.dev(setting).id)), "chosen": setting in best}
            for setting in settings
        ],
        "chosen": [
            {**parameters_of(setting, varied), **_over_seeds(transfers.filter(setting_id=setting.id), study.seeds)}
            for setting in best
        ],
    }


def _over_seeds(finals: pl.DataFrame, seeds: Sequence[int]) -> dict[str, object]:
    finals = finals.filter(pl.col("seed").is_in(seeds)).sort("seed")
    return {
        "finals": finals.select("seed", "test_top1").to_dicts(),
        "test_top1_mean": finals["test_top1"].mean(),
        "test_top1_std": finals["test_top1"].std(),
    }


def _varied(settings: Sequence[Setting]) -> list[str]:
    """The parameters in which settings differ, the rate first."""
    names = ["base_lr", *sorted(PARAMETERS - {"base_lr"})]
    return [name for name in names if name == "base_lr" or len({parameters_of(s, [name])[name] for s in settings}) > 1]


def _outcome(result: Result | None) -> dict[str, object]:
    if result is None:
        return {"steps_done": None, "dev_top1": None, "dev_loss": None}
    return {"steps_done": result.steps, "dev_top1": result.dev_top1, "dev_loss": result.dev_loss}


def _show(summary: dict, storage: Storage, out: Console) -> None:
    table, varied = Table(title=f"{summary['model']} on {summary['task']}", title_justify="left"), summary["varied"]
    for heading in (*varied, "dev accuracy", "dev loss", ""):
        table.add_column(heading.replace("_", " "), justify="right")
    for row in summary["grid"]:
        accuracy = "–" if row["dev_top1"] is None else f"{row['dev_top1']:.2%}"
        loss = "–" if row["dev_loss"] is None else f"{row['dev_loss']:.4f}"
        table.add_row(*(_figure(row[name]) for name in varied), accuracy, loss, "chosen" if row["chosen"] else "")
    out.print(table)
    for choice in summary["chosen"]:
        if choice["finals"]:
            at = ", ".join(f"{name.replace('_', ' ')} {_figure(choice[name])}" for name in varied)
            tests = ", ".join(f"{row['test_top1']:.2%} (seed {row['seed']})" for row in choice["finals"])
            mean, std = choice["test_top1_mean"], choice["test_top1_std"]
            spread = "" if std is None else f" ± {std:.2%} over {len(choice['finals'])} seeds"
            out.print(f"test accuracy at {at}: [bold]{mean:.2%}{spread}[/bold]: {tests}")
    for line in results.skipped(storage):
        out.print(line, markup=False, soft_wrap=True)
    out.print(f"rows: {Path(storage.uri) if storage.local else storage.uri}")


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command_line(main, Options)

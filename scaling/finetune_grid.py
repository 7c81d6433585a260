"""Fine-tune one checkpoint over a grid: `python -m scaling.finetune_grid --checkpoint DIR --task NAME`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Literal

import polars as pl
import tyro
from rich.console import Console
from rich.text import Text

from scaling.checkpoints import check_upstream, checkpoint_directory, is_weights_file, model_of_file, read_spec
from scaling.console import (
    GridTable,
    Machine,
    TrialRow,
    accuracy_text,
    check_flag,
    check_flags,
    command_line,
    console,
    finals_of,
    grid_table,
    number_text,
    said_missing,
    storage_of,
    trial_rows,
)
from scaling.data import resolve_study
from scaling.schedule import (
    check_code,
    check_units,
    chosen_settings,
    count_study,
    is_finished,
    known_settings,
    record_code,
    search_pairs,
    trial_results,
    without_result,
)
from scaling.specs import FewShot, Halving, Pretrain, Probe, Released, Search, Study, Task, Transfer, check_batches
from scaling.store import Storage, clear_leftovers, command_typed, lease, read_table, record_command, skipped_images

PRETRAINING_FLAGS = ("workers", "min_workers")  # of a Machine


@dataclass(frozen=True)
class Options:
    """Fine-tune a checkpoint: search on a dev split, then test the best once.

    The chosen setting is trained on all training images with every seed (§4.1).

    python -m scaling.finetune_grid --checkpoint ViT-micro-S/4 --runs results/quickstart --task digits
    python -m scaling.finetune_grid --checkpoint ViT-B_16.npz --model ViT-B/16 --task cifar10 --train URI --test URI
    """

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
    dev_fraction: float | None = None
    """Share of the training images that settings are judged on, without --dev. Default: the task's."""
    vtab: str | None = None
    """Directory of VTAB-1k's lists, for its tasks by name: vtab-dtd, vtab-pets, ..."""
    corrupt: Literal["fail", "skip"] = "fail"
    """What happens with an image that cannot be decoded: it ends the run, or is counted and skipped."""
    max_copies: float = 0.01
    """Share of the test images that may have the bytes of a training image."""
    base_lrs: tuple[float, ...] | None = None
    """The grid. Default: the task's."""
    search: str | None = None
    """After the grid, a search of search_spaces.regularization: `regularization` (TPE over rate, weight decay, dropout
    and label smoothing), or `cost` (accuracy against FLOPs by rate, steps and pixels; keeps the Pareto set)."""
    trials: int = 24
    """Trials of the search, besides the grid."""
    search_seed: int = 0
    """Seed of the search."""
    halving: int | None = None
    """End poor trials early (ASHA): steps of the first rung, each of the following is three times as long."""
    steps: int | None = None
    """Optimizer steps, a fifth of them warm-up at most. Default: the task's."""
    batch_size: int | None = None
    """Images of a step. Default: the task's."""
    resolution: int | None = None
    """Pixels a side. Default: the task's."""
    final_resolution: int | None = None
    """Pixels a side of the final runs, where they differ. Default: the task's."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the final runs."""
    shots: tuple[int, ...] = ()
    """Few-shot accuracy of the checkpoint as it is, besides: training images a class, such as 1 5 10 25."""
    keep: bool = False
    """Keep the fine-tuned weights, for scaling.evaluate."""
    same_code: bool = False
    """The code of your functions has changed since they were run, in nothing that a result depends on: go on."""
    json: bool = False
    """Print one JSON value instead of text."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = field(default_factory=Machine)


def main(options: Options) -> int:
    _check_flags(options)
    options.machine.check()
    upstream, given = _upstream(options)
    runs, released = ((), (upstream,)) if isinstance(upstream, Released) else ((upstream,), ())
    task = _task(options)
    for setting in (task.own, *task.resnet_settings):
        workers, microbatch = options.machine.trial_workers, options.machine.execution.microbatch
        check_batches(setting.recipe, setting.resolution, workers=workers, microbatch=microbatch)
    probes = (FewShot(task.data, options.shots, resolution=task.resolution),) if options.shots else ()
    study = Study("finetune", runs, (task,), probes, released=released, seeds=options.seeds)
    study = count_study(resolve_study(study))
    storage = storage_of(options.storage)
    code = check_code(study, storage, same=options.same_code)
    finished = is_finished(study, storage, given)
    if not finished:
        check_units(study)
        check_upstream(upstream, given.get(upstream.id), task.resolution)
    storage.make()
    out = console(quiet=options.json)
    if finished:
        clear_leftovers(storage, f"grid of {upstream.name}")
    else:
        with lease(storage, f"grid of {upstream.name} on {options.task}") as held:
            # not before: a finished grid should not wait for ray
            from clusters.execution import check_mirror, prepare_trackers
            from clusters.run import run

            check_mirror(options.machine.optuna_storage)
            prepare_trackers(options.machine.tracking, study.name)
            record_command(held, command_typed())
            record_code(code, held)
            view = GridTable(search_pairs(study)[0], study.seeds, storage)
            run(study, held, out, options.machine, given=given, view=view)
    if options.json:
        print(json.dumps(_summary(study, storage), indent=1))
    else:
        _show(study, storage, out)
    return said_missing(without_result(study, storage, given))


def _check_flags(options: Options) -> None:
    """Raise ValueError for a flag that this search would ignore, or that no fine-tuning can have."""
    for name in ("steps", "batch_size", "resolution", "final_resolution"):
        check_flag(name, getattr(options, name))
    check_flags(options, "a fine-tuning: --trial-workers says its workers", ignored=PRETRAINING_FLAGS)
    if options.search is None:
        check_flags(options, "a grid without --search", ignored=("trials", "search_seed"))
    if options.vtab is not None:
        where = ("train", "test", "dev", "corrupt", "max_copies")
        check_flags(options, "--vtab, which says where the images are", ignored=where)
    if is_weights_file(options.checkpoint):
        check_flags(options, f"the file {options.checkpoint}", ignored=("runs",))
    else:
        check_flags(options, f"{options.checkpoint}, which says itself which model it is", ignored=("model",))


def _upstream(options: Options) -> tuple[Pretrain | Released, dict[str, str]]:
    """What is fine-tuned, and where its checkpoint is, by its id, unless it says so itself."""
    if is_weights_file(options.checkpoint):
        return Released(str(options.model), model_of_file(options.checkpoint, options.model), options.checkpoint), {}
    place = checkpoint_directory(options.checkpoint, options.runs)
    run = read_spec(place)
    if isinstance(run, Transfer):
        raise ValueError(f"{options.checkpoint} is fine-tuned already: take the run it is of, {run.upstream.id}")
    return run, {run.id: place.uri}


def _task(options: Options) -> Task:
    from search_spaces.grids import adjusted

    task = adjusted(_named(options), steps=options.steps, resolution=options.resolution, batch_size=options.batch_size)
    task = replace(
        task,
        base_lrs=options.base_lrs or task.base_lrs,
        halving=Halving(options.halving) if options.halving is not None else None,
        dev_fraction=task.dev_fraction if options.dev_fraction is None else options.dev_fraction,
        final_resolution=options.final_resolution or task.final_resolution,
        keep=options.keep or task.keep,
    )
    return replace(task, search=_search(options, task))


def _named(options: Options) -> Task:
    """The task as it is known, or somebody's own, with its data."""
    from search_spaces.grids import TASKS, own_task
    from search_spaces.vtab import vtab_task

    if options.vtab is not None:
        return vtab_task(options.task, options.vtab)
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
        corrupt=options.corrupt,
        max_copies=options.max_copies,
    )
    if data.train is None or data.test is None:
        raise ValueError(f"task {task.name} has no data of its own: give --train and --test, such as parquet:PATH")
    return replace(task, data=data)


def _search(options: Options, task: Task) -> Search | None:
    from search_spaces.regularization import SEARCHES

    if options.search is None:
        return None
    if options.search not in SEARCHES:
        raise ValueError(f"unknown search {options.search!r}: take one of {', '.join(SEARCHES)}")
    return SEARCHES[options.search](task, options.trials, options.search_seed)


def _summary(study: Study, storage: Storage) -> dict[str, object]:
    """The dev trials, and of each chosen setting the test accuracy over seeds; accuracies are fractions."""
    (pair,) = search_pairs(study)
    lines = _lines(study, storage)
    return {
        "model": pair.upstream.name,
        "task": pair.task.name,
        "varied": list(lines[0].parameters),
        "grid": [_trial(line) for line in lines],
        "chosen": [{**line.parameters, **_over_seeds(line.finals)} for line in lines if line.chosen],
        "fewshot": _probed(study, storage).to_dicts(),
    }


def _lines(study: Study, storage: Storage) -> list[TrialRow]:
    (pair,), known = search_pairs(study), trial_results(storage)
    settings, best = known_settings(pair, known)[0], chosen_settings(pair, known)
    return trial_rows(pair, settings, best, known, finals_of(pair, study.seeds, storage))


def _probed(study: Study, storage: Storage) -> pl.DataFrame:
    """Few-shot accuracies by shots and seed."""
    ids = [Probe(search_pairs(study)[0].upstream, few).id for few in study.fewshot]
    rows = read_table(storage, "fewshot", ["probe_id", "shots", "seed", "test_top1"])
    return rows.filter(pl.col("probe_id").is_in(ids)).drop("probe_id").sort("shots", "seed")


def _trial(line: TrialRow) -> dict[str, object]:
    about = asdict(line)
    names = ("trial_id", "steps_done", "dev_top1", "dev_loss", "flops", "diverged", "chosen")
    return {**line.parameters, **{name: about[name] for name in names}}


def _over_seeds(finals: Mapping[int, float]) -> dict[str, object]:
    values = list(finals.values())
    return {
        "finals": [{"seed": seed, "test_top1": top1} for seed, top1 in finals.items()],
        "test_top1_mean": mean(values) if values else None,
        "test_top1_std": stdev(values) if len(values) > 1 else None,
    }


def _show(study: Study, storage: Storage, out: Console) -> None:
    (pair,), lines = search_pairs(study), _lines(study, storage)
    out.print(grid_table(f"{pair.upstream.name} on {pair.task.name}", lines))
    for line in lines:
        if line.chosen and line.finals:
            at = ", ".join(f"{name.replace('_', ' ')} {number_text(value)}" for name, value in line.parameters.items())
            tests = ", ".join(f"{top1:.2%} (seed {seed})" for seed, top1 in line.finals.items())
            values = list(line.finals.values())
            seeds = f" over {len(values)} seeds" if len(values) > 1 else ""
            text = Text.assemble(f"test accuracy at {at}: ", (f"{accuracy_text(values)}{seeds}", "bold"), f": {tests}")
            out.print(text, soft_wrap=True)
    for (shots,), rows in _probed(study, storage).group_by("shots", maintain_order=True):
        top1 = rows["test_top1"].to_list()
        out.print(f"few-shot accuracy with {shots} images a class: {accuracy_text(top1)} over {len(top1)} seeds")
    for message in skipped_images(storage):
        out.print(message, markup=False, soft_wrap=True)
    out.print(f"rows: {Path(storage.uri) if storage.local else storage.uri}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    command_line(main, Options, goes_on=True, without=PRETRAINING_FLAGS)

"""Run or plan a study: `python scaling/run_study.py [STUDY] [--plan] [--storage URI] ...`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # as a script, its own directory is first on the path and would hide other packages
    sys.path[0] = str(ROOT)

import json
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from scaling.checks import check
from scaling.console import Machine, check_flags, command_line, console, helping, said_missing, storage_of
from scaling.data import resolve_study
from scaling.specs import KNN, LinearProbe, Study, check_batches, data_of, to_json
from scaling.store import Storage, clear_leftovers, command_typed, lease, read_table, record_command, skipped_images
from search_spaces.catalog import load_study, select_models

if TYPE_CHECKING:
    from analysis.accounting import Rates
    from clusters.hardware import Hardware


@dataclass(frozen=True)
class Options:
    """Plan and run a scaling study: pre-train, transfer, write rows, report.

    python scaling/run_study.py quickstart --storage results/quickstart
    python scaling/run_study.py vit_paper --plan --slice v3-512
    """

    study: Annotated[str, tyro.conf.Positional] = "quickstart"
    """A study of search_spaces by name, your own .py file that holds STUDY = Study(...), or a storage's study.json."""
    miniature: bool = False
    """The study in the small, on the built-in data: the same experiment on a laptop."""
    plan: bool = False
    """Print what it will cost, and stop."""
    status: bool = False
    """Print how far it is, from the rows of its storage alone, and stop."""
    storage: str | None = None
    """Directory or URI (s3://, gs://) for rows, checkpoints and report. Default: results/NAME, a study.json's own."""
    only: str | None = None
    """Shell pattern: only models whose name matches, such as 'ViT-*'."""
    hardware: str | None = None
    """Chip that the plan is priced on, such as tpu-v3 or h100. Default: the study's."""
    utilisation: float | None = None
    """Share of the chip's peak for the plan. Default: measured rates, or the paper's share."""
    slice: str | None = None
    """Slice that the plan's wall time is for, such as v3-512 or h100:64; it says the chip too."""
    measured: str | None = None
    """Storage of `python -m scaling.measure`'s rows on that chip, to plan by. Default: the study's, if it has some."""
    save_seconds: float = 15.0
    """Seconds between two checkpoints of a run."""
    same_code: bool = False
    """The code of your functions has changed since they were run, in nothing that a result depends on: go on."""
    json: bool = False
    """Print one JSON value instead of text."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = field(default_factory=Machine)


STATUS_FLAGS = ("study", "miniature", "status", "storage", "json")
PLAN_FLAGS = ("study", "miniature", "plan", "storage", "only", "json")
MOST_SECONDS = 10**9  # between two checkpoints
CHIP_FLAGS = ("hardware", "utilisation", "slice", "measured")  # of a plan


def main(options: Options) -> int:
    if options.status:
        check(not options.plan, "give --plan or --status")
        check_flags(options, "--status", used=STATUS_FLAGS)
        return _status(options)
    if options.plan:
        check_flags(options, "--plan", used=(*PLAN_FLAGS, *CHIP_FLAGS))
    for flag in CHIP_FLAGS:
        check(options.plan or getattr(options, flag) is None, f"--{flag} goes with --plan")
    check(options.slice is None or options.hardware is None, "--slice says the chip: leave --hardware out")
    check(options.measured is None or options.utilisation is None, "give --measured or --utilisation: one rate")
    _check_seconds(options.save_seconds)
    study = resolve_study(select_models(load_study(options.study, options.miniature), options.only))
    # here: what only asks for help does without
    from scaling.schedule import check_code, check_units, count_study, is_finished, record_code, without_result

    study = count_study(study)
    if options.plan:
        return _plan(study, options)
    _check_runnable(study, options)

    storage = storage_of(options.storage, _default_storage(options, study.name))
    code = check_code(study, storage, same=options.same_code)
    finished = is_finished(study, storage, {})
    if not finished:
        check_units(study)  # what is done is done, with whatever sizes
        _check_released(study)
    storage.make()

    out = console(quiet=options.json)
    if finished:
        out.print("Nothing to do: every unit has its row.")  # diverged trials, too
        clear_leftovers(storage, f"study {study.name}")
    else:
        with lease(storage, f"study {study.name}") as held:
            from clusters.execution import check_mirror, prepare_trackers
            from clusters.run import run

            check_mirror(options.machine.optuna_storage)
            prepare_trackers(options.machine.tracking, study.name)
            held.write("study.json", to_json(study).encode())
            record_code(code, held)
            record_command(held, command_typed())
            run(study, held, out, options.machine, save_seconds=options.save_seconds)
    with helping("the report"):
        from analysis.report import report  # here: a plan should not wait for charts, nor a finished study for ray

        report(storage)
    _summarise(storage, out)
    missing = without_result(study, storage, {})
    if options.json:
        about = {"storage": storage.uri, "report": storage.path("report.html"), "failed": len(missing)}
        print(json.dumps({**about, "without_result": missing}))
    return said_missing(missing)


def _default_storage(options: Options, name: str) -> str | Path:
    """Where the rows go if nothing else is said: beside the stored study that was named, else results/NAME."""
    folder, _, file = options.study.rpartition("/")
    stored = file == "study.json" and bool(Storage.of(folder or ".").list("attempt"))
    return (folder or ".") if stored else ROOT / "results" / name


def _summarise(storage: Storage, out: Console) -> None:
    """What came out, and where to look next."""
    with helping("the summary"):
        from analysis.report import summary_sentences
        from analysis.rows import accuracies, load_rows
        from analysis.tables import results_table, to_rich

        rows = load_rows(storage)
        out.print(to_rich(results_table(rows), "Results"))
        for sentence in summary_sentences(rows, accuracies(rows)):
            out.print(f"- {sentence}", markup=False)
        for line in skipped_images(storage):
            out.print(line, markup=False, soft_wrap=True)
    out.print(f"report   {storage.path('report.html')}", soft_wrap=True)
    out.print(f"rows     {storage.path('*/*.parquet')}", soft_wrap=True)
    out.print(f"account  python -m analysis core-days {storage.uri}", soft_wrap=True)


def _status(options: Options) -> int:
    """The study is the one that ran in the storage: neither its file nor its data need to be here."""
    from scaling.schedule import render_status, study_status

    default = None
    if options.storage is None:
        default = _default_storage(options, load_study(options.study, options.miniature).name)
    status = study_status(storage_of(options.storage, default))
    if options.json:
        print(json.dumps(asdict(status), default=str))
    else:
        console().print(*render_status(status), sep="\n", markup=False, soft_wrap=True)
    return 0


def _plan(study: Study, options: Options) -> int:
    from analysis.accounting import plan_study, render_plan
    from clusters.hardware import chip_named, slice_named
    from scaling.schedule import check_units

    check_units(study)
    on = slice_named(options.slice) if options.slice else None
    chip = on.chip if on else chip_named(options.hardware or study.hardware)
    costs = plan_study(study, chip, options.utilisation, _measured(study, chip, options), on)
    if options.json:
        print(json.dumps(costs.as_json(), indent=1))
    else:
        console().print(*render_plan(costs), sep="\n")
    return 0


def _measured(study: Study, chip: "Hardware", options: Options) -> "Rates":
    """What was measured on the chip: in the storage that is given for it, else in the study's own local one."""
    from analysis.accounting import measured_rates

    place = Storage.of(options.measured or options.storage or _default_storage(options, study.name))
    if options.measured is None and place.local is None:
        return {}
    rows = read_table(place, "measure")
    rates = measured_rates(rows, chip)
    devices = ", ".join(rows["device"].unique().sort()) or "no device"
    check(
        options.measured is None or rates != {}, f"{place.uri} has no costs of {chip.name}: its rows are of {devices}"
    )
    return rates


def _check_seconds(seconds: float) -> None:
    check(0 <= seconds <= MOST_SECONDS, f"--save-seconds must be 0 to {MOST_SECONDS:,}, got {seconds}")


def _check_runnable(study: Study, options: Options) -> None:
    """All that can be known to go wrong is said before anything is written."""
    options.machine.check()
    _check_batches(study, options)
    for data in [run.data for run in study.runs] + [task.data for task in study.tasks]:
        if data.train is None:
            raise ValueError(
                f"data set {data.name} has no URI: give its train= in the study to run it (--plan needs none)"
            )

    for evaluation in study.evaluations:
        each = data_of(evaluation)
        fitted = isinstance(evaluation, KNN | LinearProbe)
        if each is not None and (each.test is None or (fitted and each.train is None)):
            needed = "a train= and a test= URI" if fitted else "a test= URI"
            raise ValueError(
                f"data set {each.name} of evaluation {evaluation.name} needs {needed} in the study to run it "
                "(--plan needs none)"
            )


def _check_released(study: Study) -> None:
    """Files of weights fit their models: not found out by every trial."""
    if study.released:
        from scaling.checkpoints import check_upstream  # here: it loads torch

        for upstream, task in product(study.released, study.tasks):
            check_upstream(upstream, None, task.resolution)


def _check_batches(study: Study, options: Options) -> None:
    machine = options.machine
    runs = [(run.name, run.recipe, run.resolution, machine.workers) for run in study.runs]
    tasks = [(task.name, task.recipe, task.resolution, machine.trial_workers) for task in study.tasks]
    for name, recipe, resolution, workers in (*runs, *tasks):
        try:
            check_batches(recipe, resolution, workers=workers, microbatch=machine.execution.microbatch)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


if __name__ == "__main__":
    command_line(main, Options, goes_on=True)

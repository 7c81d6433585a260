"""The search of one upstream on one task as a table: while it runs, and at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from rich.table import Table

from scaling import store
from scaling.schedule import (
    Pair,
    Results,
    chosen_settings,
    final_runs,
    known_settings,
    objectives,
    result_of,
    trial_results,
)
from scaling.specs import PARAMETERS, Setting, Transfer, parameters_of
from scaling.store import Storage, read_row

ROWS = 20  # of a table that is shown while it fills
Finals = Mapping[tuple[str, int], float]  # test accuracy by id of the setting and seed


@dataclass(frozen=True)
class TrialRow:
    """A setting of the search and how its dev trial came out; accuracies are fractions."""

    parameters: dict[str, Any]  # those in which settings differ
    trial_id: str
    steps: int
    steps_done: int | None  # None: it has not ended, or never will
    dev_top1: float | None
    dev_loss: float | None
    flops: float | None  # of the fine-tuning, where they are an objective
    diverged: bool
    chosen: bool
    finals: dict[int, float]  # test accuracy by seed


def trial_rows(
    pair: Pair, settings: Sequence[Setting], best: Sequence[Setting], known: Results, finals: Finals
) -> list[TrialRow]:
    """The table's content, in the order in which the search tries the settings."""
    varied = _varied(settings)
    several = pair.task.search is not None and len(pair.task.search.objectives) > 1
    made = []
    for setting in settings:
        trial = pair.dev(setting)
        found = known.get(trial.id)
        made.append(
            TrialRow(
                parameters=parameters_of(setting, varied),
                trial_id=trial.id,
                steps=trial.steps,
                steps_done=found.steps if found else None,
                dev_top1=found.dev_top1 if found else None,
                dev_loss=found.dev_loss if found else None,
                flops=objectives(trial, found)["flops"] if found and several else None,
                diverged=trial.id in known and found is None,
                chosen=setting in best,
                finals={seed: top1 for (setting_id, seed), top1 in sorted(finals.items()) if setting_id == setting.id},
            )
        )
    return made


def finals_of(pair: Pair, seeds: Sequence[int], storage: Storage) -> Finals:
    """The final runs that have their rows."""
    rows = store.read_table(storage, "transfer", ["run_id", "task_id", "setting_id", "seed", "test_top1"])
    rows = rows.filter(run_id=pair.upstream.id, task_id=pair.task.id)
    found = {
        (setting_id, seed): top1 for setting_id, seed, top1 in rows.select("setting_id", "seed", "test_top1").rows()
    }
    return {key: top1 for key, top1 in found.items() if key[1] in seeds}


def grid_table(title: str, made: Sequence[TrialRow], steps: Mapping[str, int] | None = None) -> Table:
    """For people; `steps` that trials at work have done, by id."""
    steps = steps or {}
    out = Table(title=title, title_justify="left", caption_justify="left")
    parameters = list(made[0].parameters) if made else []
    costs = any(line.flops is not None for line in made)
    for heading in (*parameters, "dev accuracy", "dev loss", *["TFLOPs"] * costs, "", "test accuracy"):
        out.add_column(heading.replace("_", " "), justify="left" if heading == "" else "right")
    for line in made:
        costs_of = [_or_dash(line.flops and line.flops / 1e12, "{:.3g}")] * costs
        out.add_row(
            *(number_text(line.parameters[name]) for name in parameters),
            _or_dash(line.dev_top1, "{:.2%}"),
            _or_dash(line.dev_loss, "{:.4f}"),
            *costs_of,
            _state(line, steps),
            accuracy_text(list(line.finals.values())) if line.finals else "",
        )
    return out


def accuracy_text(values: Sequence[float]) -> str:
    """Mean and deviation of a few test accuracies."""
    spread = f" ± {stdev(values):.2%}" if len(values) > 1 else ""
    return f"{mean(values):.2%}{spread}"


def number_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class GridTable:
    """The table of a search that runs: a `scaling.console.progress.View`."""

    def __init__(self, pair: Pair, seeds: Sequence[int], storage: Storage) -> None:
        self._pair, self._seeds, self._storage = pair, seeds, storage
        self._failed: set[str] = set()
        self.begin()

    def begin(self) -> None:
        self._known = trial_results(self._storage)
        self._finals = dict(finals_of(self._pair, self._seeds, self._storage))
        self._renew()

    def _renew(self) -> None:
        self._settings = known_settings(self._pair, self._known)[0]
        self._best = chosen_settings(self._pair, self._known)
        self._runs = final_runs(self._pair, self._best, tuple(self._seeds))

    def ended(self, unit: Transfer, error: str) -> str:
        kind, dev = ("trial", True) if unit.phase == "dev" else ("transfer", False)
        row = None if error else read_row(self._storage, kind, unit.id)
        at = ", ".join(
            f"{name.replace('_', ' ')} {number_text(value)}" for name, value in self._parameters(unit).items()
        )
        if row is None:
            self._failed.add(unit.id)
            told = f"{at}: failed"
        elif dev:
            self._known[unit.id] = found = result_of(row)
            rung = f" after {found.steps} of {unit.steps} steps" if found.steps < unit.steps else ""
            told = f"{at}: dev accuracy {found.dev_top1:.2%}, loss {found.dev_loss:.4f}{rung}"
        else:
            self._finals[unit.setting.id, unit.seed] = row["test_top1"]
            told = f"final run at {at}, seed {unit.seed}: test accuracy {row['test_top1']:.2%}"
        search = self._pair.task.search
        if dev and search and search.learns and all(self._pair.dev(s).id in self._known for s in self._settings):
            self._renew()  # the next generation
        return told

    def table(self, steps: Mapping[str, int]) -> Table:
        made = every = trial_rows(self._pair, self._settings, self._best, self._known, self._finals)
        at_work = {line.trial_id: steps[line.trial_id] for line in made if self._at_work(line, steps)}
        if len(made) > ROWS:
            rank = sorted(made, key=lambda line: (line.trial_id not in at_work, -(line.dev_top1 or 0)))[:ROWS]
            made = [line for line in made if line in rank]
        out = grid_table(f"{self._pair.upstream.name} on {self._pair.task.name}", made, at_work)
        notes = [f"and {len(every) - len(made)} more"] if len(made) < len(every) else []
        for run in self._runs:
            if (run.setting.id, run.seed) not in self._finals and run.id not in self._failed and run.id in steps:
                notes.append(f"final run with seed {run.seed}: step {steps[run.id]} of {run.steps}")
        out.caption = "\n".join(notes) or None
        return out

    def _at_work(self, line: TrialRow, steps: Mapping[str, int]) -> bool:
        return line.trial_id not in self._failed and steps.get(line.trial_id, 0) > (line.steps_done or 0)

    def _parameters(self, unit: Transfer) -> dict[str, Any]:
        return parameters_of(unit.setting, _varied(self._settings))


def _varied(settings: Sequence[Setting]) -> list[str]:
    """The parameters in which settings differ, the rate first."""
    names = ["base_lr", *sorted(PARAMETERS - {"base_lr"})]
    return [name for name in names if name == "base_lr" or len({parameters_of(s, [name])[name] for s in settings}) > 1]


def _state(line: TrialRow, steps: Mapping[str, int]) -> str:
    if line.trial_id in steps:
        return f"step {steps[line.trial_id]} of {line.steps}"
    if line.diverged:
        return "diverged"
    if line.chosen:
        return "chosen"
    return f"left at step {line.steps_done}" if line.steps_done is not None and line.steps_done < line.steps else ""


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)

"""The hyperparameter search of one upstream on one task as a table, while it runs and at its end."""

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

ROWS = 20  # of the table while the search runs
Finals = Mapping[tuple[str, int], float]  # test accuracy by (id of the setting, seed)


@dataclass(frozen=True)
class TrialRow:
    """A setting of the search with the result of its dev trial. Accuracies are fractions in [0, 1]."""

    parameters: dict[str, Any]  # those in which the settings differ
    trial_id: str
    steps: int  # of the whole trial
    steps_done: int | None  # None: it has no result
    dev_top1: float | None
    dev_loss: float | None
    flops: float | None  # of the fine-tuning, where they are an objective
    diverged: bool
    chosen: bool
    finals: dict[int, float]  # test accuracy by seed


def trial_rows(
    pair: Pair, settings: Sequence[Setting], best: Sequence[Setting], results: Results, finals: Finals
) -> list[TrialRow]:
    """The rows of the table, in the order in which the search tries the settings."""
    varied = _varied(settings)
    with_flops = pair.task.search is not None and len(pair.task.search.objectives) > 1
    rows = []
    for setting in settings:
        trial = pair.dev(setting)
        result = results.get(trial.id)
        rows.append(
            TrialRow(
                parameters=parameters_of(setting, varied),
                trial_id=trial.id,
                steps=trial.steps,
                steps_done=result.steps if result else None,
                dev_top1=result.dev_top1 if result else None,
                dev_loss=result.dev_loss if result else None,
                flops=objectives(trial, result)["flops"] if result and with_flops else None,
                diverged=trial.id in results and result is None,
                chosen=setting in best,
                finals={seed: top1 for (setting_id, seed), top1 in sorted(finals.items()) if setting_id == setting.id},
            )
        )
    return rows


def finals_of(pair: Pair, seeds: Sequence[int], storage: Storage) -> Finals:
    """Test accuracies of the pair's final runs that have their rows, of these seeds."""
    rows = store.read_table(storage, "transfer", ["run_id", "task_id", "setting_id", "seed", "test_top1"])
    rows = rows.filter(run_id=pair.upstream.id, task_id=pair.task.id)
    accuracies = {
        (setting_id, seed): top1 for setting_id, seed, top1 in rows.select("setting_id", "seed", "test_top1").rows()
    }
    return {key: top1 for key, top1 in accuracies.items() if key[1] in seeds}


def grid_table(title: str, rows: Sequence[TrialRow], steps: Mapping[str, int] | None = None) -> Table:
    """The table as people see it. `steps`: how many steps the running trials have done, by id."""
    steps = steps or {}
    table = Table(title=title, title_justify="left", caption_justify="left")
    parameters = list(rows[0].parameters) if rows else []
    with_flops = any(row.flops is not None for row in rows)
    for heading in (*parameters, "dev accuracy", "dev loss", *["TFLOPs"] * with_flops, "", "test accuracy"):
        table.add_column(heading.replace("_", " "), justify="left" if heading == "" else "right")
    for row in rows:
        flops = [_or_dash(row.flops and row.flops / 1e12, "{:.3g}")] * with_flops
        table.add_row(
            *(number_text(row.parameters[name]) for name in parameters),
            _or_dash(row.dev_top1, "{:.2%}"),
            _or_dash(row.dev_loss, "{:.4f}"),
            *flops,
            _state(row, steps),
            accuracy_text(list(row.finals.values())) if row.finals else "",
        )
    return table


def accuracy_text(values: Sequence[float]) -> str:
    """Mean and standard deviation of a few accuracies, in percent."""
    spread = f" ± {stdev(values):.2%}" if len(values) > 1 else ""
    return f"{mean(values):.2%}{spread}"


def number_text(value: object) -> str:
    """A number with up to four significant digits; anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class GridTable:
    """The table of a running search: a `scaling.console.progress.View`."""

    def __init__(self, pair: Pair, seeds: Sequence[int], storage: Storage) -> None:
        self._pair, self._seeds, self._storage = pair, seeds, storage
        self._failed: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Read the results that the storage has by now."""
        self._results = trial_results(self._storage)
        self._finals = dict(finals_of(self._pair, self._seeds, self._storage))
        self._renew()

    def _renew(self) -> None:
        self._settings = known_settings(self._pair, self._results)[0]
        self._best = chosen_settings(self._pair, self._results)
        self._runs = final_runs(self._pair, self._best, tuple(self._seeds))

    def ended(self, unit: Transfer, error: str) -> str:
        """Take up the result of a unit that ended, and return a line about it."""
        kind, dev = ("trial", True) if unit.phase == "dev" else ("transfer", False)
        row = None if error else read_row(self._storage, kind, unit.id)
        result = result_of(row) if row is not None and dev else None
        at = ", ".join(
            f"{name.replace('_', ' ')} {number_text(value)}" for name, value in self._parameters(unit).items()
        )
        if row is None or (dev and result is None):
            self._failed.add(unit.id)
            line = f"{at}: failed"
        elif result is not None:
            self._results[unit.id] = result
            rung = f" after {result.steps} of {unit.steps} steps" if result.steps < unit.steps else ""
            line = f"{at}: dev accuracy {result.dev_top1:.2%}, loss {result.dev_loss:.4f}{rung}"
        else:
            self._finals[unit.setting.id, unit.seed] = row["test_top1"]
            line = f"final run at {at}, seed {unit.seed}: test accuracy {row['test_top1']:.2%}"
        search = self._pair.task.search
        if dev and search and search.learns and all(self._pair.dev(s).id in self._results for s in self._settings):
            self._renew()  # the next generation
        return line

    def table(self, steps: Mapping[str, int]) -> Table:
        """The table now: at most ROWS rows, those of running trials and of the best. `steps` as for `grid_table`."""
        rows = all_rows = trial_rows(self._pair, self._settings, self._best, self._results, self._finals)
        running = {row.trial_id: steps[row.trial_id] for row in rows if self._is_running(row, steps)}
        if len(rows) > ROWS:
            best = sorted(rows, key=lambda row: (row.trial_id not in running, -(row.dev_top1 or 0)))[:ROWS]
            rows = [row for row in rows if row in best]
        table = grid_table(f"{self._pair.upstream.name} on {self._pair.task.name}", rows, running)
        notes = [f"and {len(all_rows) - len(rows)} more"] if len(rows) < len(all_rows) else []
        for run in self._runs:
            if (run.setting.id, run.seed) not in self._finals and run.id not in self._failed and run.id in steps:
                notes.append(f"final run with seed {run.seed}: step {steps[run.id]} of {run.steps}")
        table.caption = "\n".join(notes) or None
        return table

    def _is_running(self, row: TrialRow, steps: Mapping[str, int]) -> bool:
        return row.trial_id not in self._failed and steps.get(row.trial_id, 0) > (row.steps_done or 0)

    def _parameters(self, unit: Transfer) -> dict[str, Any]:
        return parameters_of(unit.setting, _varied(self._settings))


def _varied(settings: Sequence[Setting]) -> list[str]:
    """The parameters in which settings differ, after the learning rate, which is always shown."""
    names = ["base_lr", *sorted(PARAMETERS - {"base_lr"})]
    return [name for name in names if name == "base_lr" or len({parameters_of(s, [name])[name] for s in settings}) > 1]


def _state(row: TrialRow, steps: Mapping[str, int]) -> str:
    if row.trial_id in steps:
        return f"step {steps[row.trial_id]} of {row.steps}"
    if row.diverged:
        return "diverged"
    if row.chosen:
        return "chosen"
    return f"left at step {row.steps_done}" if row.steps_done is not None and row.steps_done < row.steps else ""


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)

"""`python -m analysis schedule`: the learning rates of a study's trainings, and their groups of parameters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro

from analysis.commands.printing import print_json, print_table
from scaling.checks import printable

if TYPE_CHECKING:
    import polars as pl

POINTS = 200  # of a training's curve
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a training, that the table shows


@dataclass(frozen=True)
class Options:
    """Print and draw the learning rates of a study, and which parameters have rates and decays of their own.

    python -m analysis schedule quickstart
    python -m analysis schedule my_study.py --out figures --json
    """

    study: tyro.conf.Positional[str]
    """Name of a study, or path of a .py file or a study.json."""
    out: str | None = None
    """Directory or URI for schedule.png and .svg. Default: nothing is drawn."""
    json: bool = False
    """Print one JSON value instead of text."""


def run(options: Options) -> None:
    import polars as pl

    from analysis.figures import schedule_chart, write_charts
    from scaling.data import resolve_study
    from scaling.schedule import count_study
    from scaling.store import Storage
    from search_spaces.catalog import load_study

    study = count_study(resolve_study(load_study(options.study)))
    trainings = _trainings(study)
    rates = pl.DataFrame([row for training in trainings for row in _rates(*training)])
    groups = pl.DataFrame([row for run in study.runs for row in _groups(run)])
    if options.json:
        print_json({"rates": rates.to_dicts(), "groups": groups.to_dicts()})
    else:
        print_table(_table(rates), "Learning rates by the share of the steps")
        if groups.height:
            print_table(groups, "Parameters with rates of their own")
    if options.out is not None:
        for name in write_charts(Storage.of(options.out), "", {"schedule": (schedule_chart(rates), "")}):
            if not options.json:
                print(printable(Storage.of(options.out).path(name)))


def _trainings(study: Any) -> list[tuple[str, str, Any, float, int]]:
    """Stage, name, recipe, peak and steps of what differs in these; of a task the highest peak of its grid."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for run in study.runs:
        key = ("Pre-training", run.recipe, run.base_lr, run.steps)
        found.setdefault(key, []).append(run.name)
    for task in study.tasks:
        key = ("Fine-tuning", task.recipe, max((task.own.base_lr, *task.base_lrs)), task.steps)
        found.setdefault(key, []).append(task.name)
    trainings = []
    for (stage, recipe, peak, steps), (name, *others) in found.items():
        label = f"{name} and {len(others)} more" if others else name
        trainings.append((stage, label, recipe, peak, steps))
    return trainings


def _rates(stage: str, name: str, recipe: Any, peak: float, steps: int) -> list[dict[str, Any]]:
    from scaling.training import learning_rate

    schedule = getattr(recipe.schedule, "path", recipe.schedule)  # a name, or the user's function
    about = {"stage": stage, "name": name, "schedule": schedule, "steps": steps}
    return [
        about | {"share": step / steps, "lr": learning_rate(step, base_lr=peak, steps=steps, recipe=recipe)}
        for step in sorted({round(steps * place / POINTS) for place in range(POINTS + 1)})
    ]


def _table(rates: "pl.DataFrame") -> "pl.DataFrame":
    """A row for each training, with its rates at some shares of the steps; a training has no step at 100 %."""
    import polars as pl

    def at(share: float) -> pl.Expr:
        nearest = (pl.col("share") - share).abs().arg_min()
        return pl.col("lr").get(nearest).round_sig_figs(3).alias(f"at {share:.0%}")

    return rates.group_by("stage", "name", "schedule", "steps", maintain_order=True).agg(*map(at, SHARES))


def _groups(run: Any) -> list[dict[str, Any]]:
    """The groups of a run whose optimizer may have rules for them."""
    from scaling.models import outline
    from scaling.specs import Optimizer
    from scaling.training import described_groups

    if not isinstance(run.recipe.optimizer, Optimizer):
        return []
    module = outline(run.model, run.data.num_classes or 1, resolution=run.resolution)
    return described_groups(run.name, module, run.recipe)

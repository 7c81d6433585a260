"""What a study asks for before any of its results are known: pairs of an upstream and a task, and their units."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from scaling.checks import check
from scaling.flops import transfer_flops
from scaling.specs import (
    Architecture,
    Choice,
    EvaluationRun,
    Hybrid,
    ResNet,
    Setting,
    Study,
    Task,
    Transfer,
    Upstream,
    check_sizes,
    evaluated,
    with_parameters,
)


@dataclass(frozen=True)
class Pair:
    """An upstream and a task, for which a search chooses the setting. `seed` is the seed of its dev trials."""

    upstream: Upstream
    task: Task
    seed: int

    def dev(self, setting: Setting) -> Transfer:
        """The dev trial of a setting: the same object each time, so that its id is hashed once."""
        if setting not in self._devs:
            self._devs[setting] = Transfer(self.upstream, self.task, setting, self.seed, "dev")
        return self._devs[setting]

    @cached_property
    def _fixed(self) -> tuple[Setting, ...]:
        return tuple(_settings(self.task, self.upstream.model))

    @cached_property
    def _devs(self) -> dict[Setting, Transfer]:
        return {}


def fixed_settings(pair: Pair) -> list[Setting]:
    """The settings that are tried whatever the results: the grid, and the extra ones of the model's family.

    Table 4 and §B.1.1: ResNets and hybrids have one more learning rate on ImageNet, ResNets are also fine-tuned by
    the BiT-HyperRule.
    """
    return list(pair._fixed)


def _settings(task: Task, model: Architecture) -> dict[Setting, None]:
    """Each setting once, in the order in which they are tried."""
    base_lrs = task.base_lrs + (task.convolutional_base_lrs if isinstance(model, ResNet | Hybrid) else ())
    settings = [with_parameters(task.own, {"base_lr": base_lr}) for base_lr in base_lrs]
    settings += task.resnet_settings if isinstance(model, ResNet) else ()
    if task.search is not None and task.search.sampler == "grid":
        choices = [values.values for _, values in task.search.space if isinstance(values, Choice)]
        rows = itertools.product(*choices)
        settings += [with_parameters(task.own, dict(zip(task.search.names, row, strict=True))) for row in rows]
    return dict.fromkeys(settings)


def upstreams(study: Study) -> tuple[Upstream, ...]:
    """All that is fine-tuned: the pre-training runs, the from-scratch baselines, and the released weights."""
    return (*study.runs, *study.scratch, *study.released)


def evaluation_runs(study: Study) -> list[EvaluationRun]:
    """Every evaluation of every upstream that it can be made of."""
    return [
        EvaluationRun(upstream, evaluation)
        for upstream in upstreams(study)
        for evaluation in study.evaluations
        if evaluated(evaluation, upstream)
    ]


def search_pairs(study: Study) -> list[Pair]:
    """Every upstream with every task: each pair has a search of its own."""
    return [Pair(upstream, task, study.seeds[0]) for upstream in upstreams(study) for task in study.tasks]


def check_units(study: Study) -> None:
    """Make the study's units as they are planned: what cannot be right is said before anything is written.

    Raises ValueError for sizes that do not fit (`check_sizes`) and for units that no spec can be.
    """
    check_sizes(study)
    evaluation_runs(study)
    for pair in search_pairs(study):
        planned_trials(pair, study.seeds)
        _check_budget(pair)


def _check_budget(pair: Pair) -> None:
    """Raise ValueError unless some setting costs no more than a search allows."""
    search = pair.task.search
    if search is None or search.max_flops is None:
        return
    least: dict[str, int | float | str] = {
        name: min(values.values) if isinstance(values, Choice) else values.low
        for name, values in search.space
        if name in ("steps", "resolution", "batch_size")
    }
    settings = [*fixed_settings(pair), *([with_parameters(pair.task.own, least)] if search.trials else [])]
    cost = min(transfer_flops(pair.dev(setting), valid=True) for setting in settings)
    check(
        cost <= search.max_flops,
        f"max_flops of task {pair.task.name} must be at least the {cost:.3g} FLOPs of the cheapest setting of "
        f"{pair.upstream.name}, got {search.max_flops:g}",
    )


def final_runs(pair: Pair, settings: Sequence[Setting], seeds: tuple[int, ...]) -> list[Transfer]:
    """The final runs at the chosen settings, on all training images, one for each seed."""
    return [Transfer(pair.upstream, pair.task, setting, seed, "final") for setting in settings for seed in seeds]


def planned_trials(pair: Pair, seeds: Sequence[int]) -> tuple[list[Transfer], list[Transfer]]:
    """Dev trials and final runs to count in a plan, before any result is known.

    An upper bound where halving ends trials early. What a search will propose is counted at the task's own setting,
    and the final runs at the first setting of the grid.
    """
    settings = fixed_settings(pair)
    settings += [pair.task.own] * ((pair.task.search.trials or 0) if pair.task.search else 0)
    # A single setting is chosen without a trial.
    dev = [pair.dev(setting) for setting in settings] if len(settings) > 1 else []
    return dev, final_runs(pair, settings[:1], tuple(seeds))

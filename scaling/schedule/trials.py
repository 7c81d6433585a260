"""Which dev trials a search calls for, and what it chooses: pure functions of the trials' results.

So a stopped search goes on from its rows alone, wherever and however often it was stopped.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling.randomness import permute
from scaling.schedule.sampler import Result, Results, objectives, proposed
from scaling.specs import (
    Architecture,
    Choice,
    Halving,
    Hybrid,
    ResNet,
    Setting,
    Study,
    Task,
    Transfer,
    Upstream,
    with_parameters,
)


@dataclass(frozen=True)
class Pair:
    """What is searched for: the setting of one task for one upstream. `seed` is that of the dev trials."""

    upstream: Upstream
    task: Task
    seed: int

    def dev(self, setting: Setting) -> Transfer:
        """The dev trial of a setting: the same object each time, which keeps its id."""
        if setting not in self._devs:
            self._devs[setting] = Transfer(self.upstream, self.task, setting, self.seed, "dev")
        return self._devs[setting]

    @cached_property
    def _fixed(self) -> tuple[Setting, ...]:
        return tuple(_settings(self.task, self.upstream.model))

    @cached_property
    def _devs(self) -> dict[Setting, Transfer]:
        return {}


@dataclass(frozen=True)
class Trial:
    """A dev trial to run until a step: its last one, or a rung of the halving."""

    transfer: Transfer
    until: int

    @property
    def key(self) -> tuple[str, int]:
        return self.transfer.id, self.until


def fixed_settings(pair: Pair) -> list[Setting]:
    """The settings that are tried whatever comes out: the grid, and what the model's family gets besides.

    Table 4 and §B.1.1: ResNets and hybrids have a further rate on ImageNet, ResNets are also run by BiT's own rule.
    """
    return list(pair._fixed)


def _settings(task: Task, model: Architecture) -> dict[Setting, None]:
    rates = task.base_lrs + (task.convolutional_base_lrs if isinstance(model, ResNet | Hybrid) else ())
    settings = [with_parameters(task.own, {"base_lr": rate}) for rate in rates]
    settings += task.resnet_settings if isinstance(model, ResNet) else ()
    if task.search is not None and task.search.sampler == "grid":
        choices = [what.values for _, what in task.search.space if isinstance(what, Choice)]
        rows = itertools.product(*choices)
        settings += [with_parameters(task.own, dict(zip(task.search.names, row, strict=True))) for row in rows]
    return dict.fromkeys(settings)


def known_settings(pair: Pair, results: Results) -> tuple[list[Setting], bool]:
    """All settings that are known by now, and whether these are all there will be.

    A sampler that learns waits for the settings before each of its generations.
    """
    settings, search = fixed_settings(pair), pair.task.search
    if search is None or search.trials is None:
        return settings, True
    for first in range(0, search.trials, search.generation):
        ended = [(setting, results.get(pair.dev(setting).id, "open")) for setting in settings]
        if search.learns and any(result == "open" for _, result in ended):
            return settings, False
        known = [
            (setting, objectives(pair.dev(setting), result)) for setting, result in ended if isinstance(result, Result)
        ]
        size = min(search.generation, search.trials - first)
        settings += proposed(search, pair.task.own, first, size, known if search.learns else [])
        settings = list(dict.fromkeys(settings))
    return settings, True


def due_trials(pair: Pair, results: Results) -> tuple[list[Trial], bool]:
    """The trials to run by what is known so far, and whether the search is over.

    Those at work are still among them. Nothing is tried where there is but one setting.
    """
    settings, whole = known_settings(pair, results)
    if whole and len(settings) == 1:
        return [], True
    transfers = [pair.dev(setting) for setting in settings]
    if pair.task.halving is None:
        todo = [Trial(each, each.steps) for each in transfers if each.id not in results]
    else:
        todo = list(_halved(transfers, pair.task.halving, results)) or _last(transfers, pair.task.halving, results)
    return todo, whole and not todo


def _halved(transfers: Sequence[Transfer], halving: Halving, results: Results) -> Iterator[Trial]:
    """Promotions from the highest rung down, then trials that have not begun."""
    begun = [(each, result) for each in transfers if (result := results.get(each.id)) is not None]
    (steps,) = {transfer.steps for transfer in transfers}
    rungs = halving.rungs(steps)
    for rung, following in reversed(list(itertools.pairwise(rungs))):
        there = [(each, result) for each, result in begun if result.steps >= rung]
        there.sort(key=lambda entry: -dict(entry[1].history)[rung])
        best = there[: len(there) // halving.factor]
        yield from (Trial(each, following) for each, result in best if result.steps == rung)
    shuffled = permute(np.arange(len(transfers)), len(transfers), 0)  # a rising grid would promote each in its turn
    yield from (Trial(transfers[i], rungs[0]) for i in shuffled.tolist() if transfers[i].id not in results)


def _last(transfers: Sequence[Transfer], halving: Halving, results: Results) -> list[Trial]:
    """The best trial of the highest rung, where they are too few for one to be promoted: somebody goes to the end."""
    begun = [(each, result) for each in transfers if (result := results.get(each.id)) is not None]
    if not begun:
        return []
    best, result = max(begun, key=lambda entry: (entry[1].steps, entry[1].dev_top1))
    return [Trial(best, rung) for rung in halving.rungs(best.steps) if rung > result.steps][:1]


def chosen_settings(pair: Pair, results: Results) -> list[Setting]:
    """The settings of the final runs: the best on the dev split, or the Pareto set of several objectives.

    Of the trials that got furthest the one with the best dev accuracy, then the lowest dev loss, then the smallest
    rate. Empty until the search is over, lest a trial that comes later changes the choice.
    """
    settings, _ = known_settings(pair, results)
    if not due_trials(pair, results)[1]:
        return []
    if len(settings) == 1:
        return settings
    ended = [(setting, result) for setting in settings if (result := results.get(pair.dev(setting).id)) is not None]
    if pair.task.search is not None and len(pair.task.search.objectives) > 1:
        return pareto([(setting, objectives(pair.dev(setting), result)) for setting, result in ended])

    def rank(entry: tuple[Setting, Result]) -> tuple[float, ...]:
        setting, result = entry
        return -result.steps / setting.steps, -result.dev_top1, result.dev_loss, setting.base_lr

    return [min(ended, key=rank)[0]] if ended else []


def pareto(points: Sequence[tuple[Setting, Mapping[str, float]]]) -> list[Setting]:
    """The settings that no other beats: none has more accuracy for the same FLOPs, nor fewer FLOPs for the same."""
    kept: list[Setting] = []
    best = -1.0
    for setting, values in sorted(points, key=lambda point: (point[1]["flops"], -point[1]["dev_top1"])):
        if values["dev_top1"] > best:
            best = values["dev_top1"]
            kept.append(setting)
    return kept


def trials_left(pair: Pair, results: Results) -> int:
    """How many trials, or legs of trials from rung to rung, are to come at most."""
    begun = len(fixed_settings(pair)) + ((pair.task.search.trials or 0) if pair.task.search else 0)
    if begun == 1:
        return 0
    legs, halving = begun, pair.task.halving
    for _ in halving.rungs(pair.task.steps)[1:] if halving else ():
        begun //= halving.factor if halving else 1
        legs += begun
    known = [results.get(pair.dev(setting).id, "open") for setting in known_settings(pair, results)[0]]
    return max(0, legs - sum(len(each.history) if isinstance(each, Result) else each is None for each in known))


def planned_trials(pair: Pair, seeds: Sequence[int]) -> tuple[list[Transfer], list[Transfer]]:
    """Dev trials and final runs to reckon with before anything is known, for their cost.

    What a search will propose is counted as the task's own setting, a halving as if all ran to the end, and the final
    runs as of the first setting.
    """
    settings = fixed_settings(pair)
    settings += [pair.task.own] * ((pair.task.search.trials or 0) if pair.task.search else 0)
    dev = [pair.dev(setting) for setting in settings] if len(settings) > 1 else []
    return dev, [Transfer(pair.upstream, pair.task, settings[0], seed, "final") for seed in seeds]


def upstreams(study: Study) -> tuple[Upstream, ...]:
    """All that is transferred from: the runs, the controls that start from scratch, and the weights from elsewhere."""
    return (*study.runs, *study.scratch, *study.released)


def search_pairs(study: Study) -> list[Pair]:
    """Every upstream with every task, to search for the setting of."""
    return [Pair(upstream, task, study.seeds[0]) for upstream in upstreams(study) for task in study.tasks]


def final_runs(pair: Pair, settings: Sequence[Setting], seeds: tuple[int, ...]) -> list[Transfer]:
    """The repetitions at the chosen settings, on all training images."""
    return [Transfer(pair.upstream, pair.task, setting, seed, "final") for setting in settings for seed in seeds]

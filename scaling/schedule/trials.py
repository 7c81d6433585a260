"""Which dev trials a search runs next, and which setting it chooses: pure functions of the results so far.

So a search that was stopped goes on from its rows alone, however often and wherever it is started again.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.flops import transfer_flops
from scaling.randomness import permute
from scaling.schedule.pairs import Pair, fixed_settings
from scaling.schedule.sampler import Result, Results, Values, objectives, propose_settings
from scaling.schedule.terminator import more_will_not_pay
from scaling.specs import Halving, Setting, Transfer


@dataclass(frozen=True)
class Trial:
    """A dev trial to run up to step `until`: its last step, or a rung of the halving."""

    transfer: Transfer
    until: int

    @property
    def key(self) -> tuple[str, int]:
        """Tells the legs of a trial apart, from one rung to the next."""
        return self.transfer.id, self.until


def known_settings(pair: Pair, results: Results) -> tuple[list[Setting], bool]:
    """The settings that are known so far, and whether these are all that there will be.

    A sampler that learns proposes a generation when all settings before it have their results.
    """
    settings, search = fixed_settings(pair), pair.task.search
    if search is None or search.trials is None:
        return settings, True
    fixed = len(settings)
    # The generations are proposed again on every call, each from the results of those before it alone: so they come
    # out the same after a restart, and whichever trial ended first.
    for first in range(0, search.trials, search.generation):
        # A sampler that does not learn goes on: all its trials are known from the start.
        ended = _ended(pair, settings, results) if search.learns else []
        if ended is None:
            return _affordable(pair, settings), False
        if first and more_will_not_pay(pair.task, search, ended):
            break
        size = min(search.generation, search.trials - first)
        settings += propose_settings(search, pair.task.own, first, size, ended[:fixed], ended[fixed:])
        settings = list(dict.fromkeys(settings))  # what is proposed a second time is no new trial
    return _affordable(pair, settings), True


def _ended(pair: Pair, settings: Sequence[Setting], results: Results) -> list[tuple[Setting, Values]] | None:
    """The settings with their values, or None while one of them is still to be tried."""
    ended: list[tuple[Setting, Values]] = []
    affordable = set(_affordable(pair, settings))
    for setting in settings:
        transfer = pair.dev(setting)
        if setting in affordable and transfer.id not in results:
            return None
        result = results.get(transfer.id)  # None, too, if it diverged
        ended.append((setting, objectives(transfer, result) if result is not None else {}))
    return ended


def _affordable(pair: Pair, settings: Sequence[Setting]) -> list[Setting]:
    """The settings that do not cost more than the search allows."""
    most = pair.task.search.max_flops if pair.task.search else None
    return [each for each in settings if most is None or transfer_flops(pair.dev(each), valid=True) <= most]


def due_trials(pair: Pair, results: Results) -> tuple[list[Trial], bool]:
    """The trials to run by the results so far, and whether the search is over.

    Trials that run at this moment are among them: they have no result yet. Nothing is tried where there is only one
    setting.
    """
    settings, complete = known_settings(pair, results)
    if complete and len(settings) == 1:
        return [], True
    transfers = [pair.dev(setting) for setting in settings]
    halving = pair.task.halving
    if halving is None:
        due = [Trial(each, each.steps) for each in transfers if each.id not in results]
    else:
        due = list(_rung_trials(transfers, halving, results)) or _promote_best(transfers, halving, results)
    return due, complete and not due


def _rung_trials(transfers: Sequence[Transfer], halving: Halving, results: Results) -> Iterator[Trial]:
    """ASHA's order: promotions from the highest rung down, then trials that have not begun."""
    begun = _begun(transfers, results)
    (steps,) = {transfer.steps for transfer in transfers}
    rungs = halving.rungs(steps)
    for rung, following in reversed(list(itertools.pairwise(rungs))):
        reached = [(each, result) for each, result in begun if result.steps >= rung]
        reached.sort(key=lambda entry: -dict(entry[1].history)[rung])
        best = reached[: len(reached) // halving.factor]
        # Those that are beyond this rung have been promoted already.
        yield from (Trial(each, following) for each, result in best if result.steps == rung)
    # In a fixed random order: in that of a grid, in which each learning rate is better than the last, ASHA would
    # promote every trial as it comes.
    shuffled = permute(np.arange(len(transfers)), len(transfers), 0)
    yield from (Trial(transfers[i], rungs[0]) for i in shuffled.tolist() if transfers[i].id not in results)


def _promote_best(transfers: Sequence[Transfer], halving: Halving, results: Results) -> list[Trial]:
    """The best trial of the highest rung, to its next rung: with fewer than `factor` trials ASHA would promote none."""
    begun = _begun(transfers, results)
    if not begun:
        return []
    best, result = max(begun, key=lambda entry: (entry[1].steps, entry[1].dev_top1))
    return [Trial(best, rung) for rung in halving.rungs(best.steps) if rung > result.steps][:1]


def _begun(transfers: Sequence[Transfer], results: Results) -> list[tuple[Transfer, Result]]:
    return [(each, result) for each in transfers if (result := results.get(each.id)) is not None]


def chosen_settings(pair: Pair, results: Results) -> list[Setting]:
    """The settings of the final runs: the best on the dev split, or the Pareto set where there are two objectives.

    The best is, among the trials that ran furthest, the one of highest dev accuracy; ties go to the lower dev loss,
    then to the smaller learning rate. Empty until the search is over, since a later trial could change the choice.
    """
    settings, _ = known_settings(pair, results)
    # A killed trial that is tried again may be the best: final runs that did not wait for it once had to be done again.
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
    """The Pareto set, cheapest first: no other setting has a higher accuracy for the same FLOPs or fewer."""
    front: list[Setting] = []
    best = -1.0
    for setting, values in sorted(points, key=lambda point: (point[1]["flops"], -point[1]["dev_top1"])):
        if values["dev_top1"] > best:
            best = values["dev_top1"]
            front.append(setting)
    return front


def trials_left(pair: Pair, results: Results) -> int:
    """How many trials are still to come, at most; with halving, how many legs of trials from rung to rung."""
    begun = len(fixed_settings(pair)) + ((pair.task.search.trials or 0) if pair.task.search else 0)
    if begun == 1:
        return 0
    legs, halving = begun, pair.task.halving
    for _ in halving.rungs(pair.task.steps)[1:] if halving else ():
        begun //= halving.factor if halving else 1
        legs += begun
    known = [results.get(pair.dev(setting).id, "open") for setting in known_settings(pair, results)[0]]
    # A trial that diverged has used up one leg.
    return max(0, legs - sum(len(each.history) if isinstance(each, Result) else each is None for each in known))

"""Which trials a search calls for, from results alone: grids, learning samplers, halving, several objectives."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.flops.counts import transfer_flops
from scaling.schedule.pairs import Pair, check_units, fixed_settings
from scaling.schedule.sampler import Result, check_sampler
from scaling.schedule.trials import Trial, chosen_settings, due_trials, known_settings, pareto, trials_left
from scaling.specs.architectures import ViT
from scaling.specs.pretraining import Dataset, Pretrain, Scratch
from scaling.specs.search import Choice, Halving, Range, Sampler, Search, Setting
from scaling.specs.study import Study, Task
from tests.helpers.specs import RECIPE, TUNING

DATA = Dataset("d", num_classes=3, num_train=100, num_test=10)
TASK = Task("t", DATA, (0.01, 0.1), 90, resolution=16)
PAIR = Pair(Scratch("m", ViT(8, 16, 1, 32, 2)), TASK, 0)
SPACE = (("base_lr", Range(1e-3, 1.0, log=True)), ("dropout", Range(0.0, 0.5)))
Known = dict[str, Result | None]
Score = Callable[[Setting], float]


def score(setting: Setting) -> float:
    """A made-up accuracy, best at a learning rate of 0.1 without dropout."""
    return 1 / (1 + abs(setting.base_lr - 0.1) + setting.recipe.dropout)


def run(pair: Pair, known: Known, *, slots: int = 1, seed: int = 0, stop: int | None = None) -> list[tuple[str, int]]:
    """Run due trials, `slots` at a time, ending in random order, until the search is over or `stop` of them ended."""
    rng = random.Random(seed)
    order: list[tuple[str, int]] = []
    at_work: list[Trial] = []
    while stop is None or len(order) < stop:
        todo = [trial for trial in due_trials(pair, known)[0] if trial not in at_work]
        at_work += todo[: slots - len(at_work)]
        if not at_work:
            break
        trial = at_work.pop(rng.randrange(len(at_work)))
        before = known.get(trial.transfer.id)
        top1 = score(trial.transfer.setting)
        history = (*(before.history if before else ()), (trial.until, top1))
        known[trial.transfer.id] = Result(trial.until, top1, 1.0, history)
        order.append((trial.transfer.id, trial.until))
    return order


def pair(**changes: Any) -> Pair:
    return replace(PAIR, task=replace(TASK, **changes))


SEARCHES = {
    "grid": pair(base_lrs=(0.01, 0.1, 1.0)),
    "product": pair(search=Search((("base_lr", Choice((0.1, 0.2))), ("dropout", Choice((0.0, 0.5)))), sampler="grid")),
    "random": pair(base_lrs=(), search=Search(SPACE, 7, "random", generation=3)),
    "tpe": pair(base_lrs=(), search=Search(SPACE, 11, "tpe", generation=4)),
    "tpe after a grid": pair(search=Search(SPACE, 6, "tpe", generation=3)),
    "nsga2": pair(
        base_lrs=(),
        search=Search((*SPACE, ("steps", Choice((10, 90)))), 10, "nsga2", 0, 5, ("dev_top1", "flops")),
    ),
}
QUASI = Sampler("QMCSampler", {"warn_asynchronous_seeding": False})
SEARCHES |= {
    "gp": pair(base_lrs=(), search=Search(SPACE, 9, Sampler("GPSampler", {"n_startup_trials": 3}), generation=3)),
    "qmc": pair(base_lrs=(), search=Search(SPACE, 7, QUASI, generation=2)),
    "one that remembers": pair(search=Search(SPACE, 8, Sampler("tests.helpers.samplers:Climbing"), generation=3)),
}
COUNTS = {"grid": 3, "product": 2 + 4 - 1, "random": 7, "tpe": 11, "tpe after a grid": 8, "nsga2": 10}
COUNTS |= {"gp": 9, "qmc": 7, "one that remembers": 10}


@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_tried_depends_on_neither_slots_nor_order_nor_stops(name: str) -> None:
    straight: Known = {}
    order = run(SEARCHES[name], straight)
    assert len(order) == len(set(order)) == COUNTS[name]
    assert due_trials(SEARCHES[name], straight) == ([], True)
    torn: Known = {}
    for stop in (2, 3, 1, None):  # each start knows what the ones before have left, and that alone
        run(SEARCHES[name], torn, slots=3, seed=5, stop=stop)
    assert torn == straight
    assert chosen_settings(SEARCHES[name], torn) == chosen_settings(SEARCHES[name], straight) != []


def test_nothing_is_chosen_before_the_search_is_over() -> None:
    for each in SEARCHES.values():
        known: Known = {}
        run(each, known, stop=2)
        assert chosen_settings(each, known) == []


def test_a_learning_sampler_learns() -> None:
    """The later half of TPE's trials is better than the first, which is drawn at random."""
    tpe = pair(base_lrs=(), search=Search(SPACE, 40, "tpe", generation=10))
    known: Known = {}
    run(tpe, known)
    values = [score(setting) for setting in known_settings(tpe, known)[0]]
    assert sum(values[20:]) / 20 > sum(values[:10]) / 10 + 0.05


def test_one_setting_needs_no_trial() -> None:
    single = pair(base_lrs=(0.1,))
    assert due_trials(single, {}) == ([], True)
    assert [setting.base_lr for setting in chosen_settings(single, {})] == [0.1]
    assert trials_left(single, {}) == 0


def test_a_wider_grid_tries_what_is_new() -> None:
    known: Known = {}
    run(pair(base_lrs=(0.01, 0.1, 0.3, 1.0)), known)
    wider = pair(base_lrs=(0.01, 0.02, 0.1, 0.2, 0.3, 1.0))
    assert [trial.transfer.base_lr for trial in due_trials(wider, known)[0]] == [0.02, 0.2]


def test_what_diverged_is_not_waited_for() -> None:
    known: Known = {PAIR.dev(fixed_settings(PAIR)[1]).id: None}
    assert len(run(PAIR, known)) == 1
    assert [setting.base_lr for setting in chosen_settings(PAIR, known)] == [0.01]
    assert chosen_settings(PAIR, dict.fromkeys((PAIR.dev(setting).id for setting in fixed_settings(PAIR)), None)) == []


BASE_LRS = tuple(0.1 + 0.01 * n for n in range(9))  # the first is the best


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_halving_promotes_the_best_third(slots: int) -> None:
    halved = pair(base_lrs=BASE_LRS, halving=Halving(10, 3))
    known: Known = {}
    order = run(halved, known, slots=slots, seed=slots)
    assert len(order) == len(set(order))
    untils = [until for _, until in order]
    assert untils.count(10) == 9
    assert 3 <= untils.count(30) <= 5  # asynchronous: some are promoted before better ones come
    assert 1 <= untils.count(90) <= 2
    assert [setting.base_lr for setting in chosen_settings(halved, known)] == [BASE_LRS[0]]
    assert trials_left(halved, known) == 0 or slots  # at most
    steps = sum(result.steps for result in known.values() if result)
    assert steps < 0.5 * 9 * 90


def test_the_best_trial_of_a_small_halving_is_promoted_to_the_end() -> None:
    few = pair(base_lrs=(0.1, 0.2), halving=Halving(10, 3))
    known: Known = {}
    assert [until for _, until in run(few, known)] == [10, 10, 30, 90]
    assert [setting.base_lr for setting in chosen_settings(few, known)] == [0.1]


def test_a_torn_halving_goes_on() -> None:
    halved = pair(base_lrs=BASE_LRS, halving=Halving(10, 3))
    known: Known = {}
    done: list[tuple[str, int]] = []
    for stop in (4, 3, 2, None):
        done += run(halved, known, slots=2, seed=len(done), stop=stop)
    assert len(done) == len(set(done))
    assert [setting.base_lr for setting in chosen_settings(halved, known)] == [BASE_LRS[0]]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_pareto_set_holds_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    settings = [Setting(0.1, 1 + n, 16, TASK.recipe) for n in range(len(points))]
    values = [{"dev_top1": top1 / 5, "flops": float(flops)} for top1, flops in points]
    kept = pareto(list(zip(settings, values, strict=True)))
    of = dict(zip(settings, points, strict=True))

    def beaten(mine: tuple[int, int]) -> bool:
        return any(o[0] >= mine[0] and o[1] <= mine[1] and o != mine for o in points)

    assert {of[setting] for setting in kept} == {point for point in points if not beaten(point)}
    assert len({of[setting] for setting in kept}) == len(kept)


def test_quasi_random_points_are_not_repeated() -> None:
    """They have their place in a sequence, which a sampler that began anew for each generation would not know."""
    known: Known = {}
    run(SEARCHES["qmc"], known)
    settings, _ = known_settings(SEARCHES["qmc"], known)
    assert len({setting.base_lr for setting in settings}) == 7


def test_a_sampler_of_ones_own_learns() -> None:
    known: Known = {}
    each = pair(base_lrs=(), search=Search(SPACE, 40, Sampler("tests.helpers.samplers:Climbing"), generation=5))
    run(each, known)
    values = [score(setting) for setting in known_settings(each, known)[0]]
    assert sum(values[30:]) / 10 > sum(values[:10]) / 10


def test_what_costs_too_much_is_not_tried() -> None:
    space = (*SPACE, ("steps", Choice((10, 90))))
    search = Search(space, 12, "tpe", generation=4)
    cost = transfer_flops(pair().dev(pair().task.own), valid=True) / pair().task.steps * 10
    cheap = pair(base_lrs=(), search=replace(search, max_flops=2 * cost))
    known: Known = {}
    order = run(cheap, known)
    settings, complete = known_settings(cheap, known)
    assert complete
    assert {setting.steps for setting in settings} == {10}
    assert 0 < len(order) < 12
    assert chosen_settings(cheap, known) != []
    run_of = Pretrain("m", ViT(8, 16, 1, 32, 2), replace(DATA, num_train=5000), 1e-3, 1, RECIPE, resolution=16)
    cheap = pair(base_lrs=(), recipe=TUNING, search=cheap.task.search)
    study = Study("x", (run_of,), (replace(cheap.task, search=replace(search, max_flops=1.0)),))
    with pytest.raises(ValueError, match=r"max_flops of task .* at least the .* FLOPs of the cheapest setting"):
        check_units(study)


@pytest.mark.parametrize("terminate", ["regret", "stagnation"])
def test_a_search_ends_when_more_trials_will_not_pay(terminate: Any) -> None:
    """The score has a flat top, which a search soon has found; whatever the stops, at the same trial."""
    search = Search((("base_lr", Range(1e-3, 1.0, log=True)),), 120, "tpe", generation=10, terminate=terminate)
    each = pair(base_lrs=(), search=search)
    known: Known = {}
    order = run(each, known)
    assert 20 <= len(order) < 120
    torn: Known = {}
    for stop in (7, None):
        run(each, torn, slots=3, seed=5, stop=stop)
    assert torn == known
    assert due_trials(each, known) == ([], True)


@pytest.mark.parametrize(
    ("sampler", "says"),
    [
        (Sampler("NoSuchSampler"), "Sampler optuna.samplers:NoSuchSampler cannot be imported: AttributeError"),
        (Sampler("tests.helpers.samplers:none"), "must make a sampler of Optuna's, not 'sampler'"),
        (Sampler("tests.helpers.samplers:Broken"), "Broken proposes no settings: RuntimeError: two"),
        (Sampler("GPSampler", {"width": 3}), "GPSampler cannot be made: TypeError: .*width"),
        (
            Sampler("optunahub:AutoSampler"),
            "AutoSampler cannot be loaded: .*: pip install optunahub",
        ),
    ],
)
def test_what_is_no_sampler_is_one_line(sampler: Sampler, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        check_sampler(Search(SPACE, 3, sampler))
    assert "\n" not in str(raised.value)

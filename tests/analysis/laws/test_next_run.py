"""What to run next: the best run for a budget against a search, and candidates against a real refit."""

import numpy as np
import pytest

from analysis.laws.fit import fit
from analysis.laws.next_run import Candidate, compute_optimum, proposed_candidates, rank_candidates
from analysis.laws.values import Fit, Method
from tests.helpers import laws_rows as made


@pytest.fixture(scope="module")
def law() -> Fit:
    found = fit("chinchilla", *made.rows(made.DESIGNS["chinchilla"], 0), Method(bootstrap=120, loss="squared"))
    assert isinstance(found, Fit)
    return found


def test_the_best_run_is_where_a_search_finds_it(law: Fit) -> None:
    best = compute_optimum(law, 6e23)
    sizes = np.geomspace(1e9, 1e12, 20_001)
    x = np.stack([sizes, 6e23 / 6 / sizes], axis=1)
    losses = law.form.curve(law.theta[None], x)[0][0]
    assert best.params.value == pytest.approx(sizes[np.argmin(losses)], rel=1e-3)
    assert best.prediction.value == pytest.approx(losses.min(), rel=1e-9)
    assert 6 * best.params.value * best.samples.value == pytest.approx(6e23)
    assert best.params_exponent.value + best.samples_exponent.value == pytest.approx(1)
    truth = made.HOFFMANN["beta"] / (made.HOFFMANN["alpha"] + made.HOFFMANN["beta"])
    assert made.covered(best.params_exponent.interval, truth)
    for estimate in (best.params, best.samples):
        assert estimate.interval[0] < estimate.value < estimate.interval[1]
    assert compute_optimum(law, 6e24).params.value / best.params.value == pytest.approx(10**best.params_exponent.value)


def test_the_expected_gain_is_what_a_refit_with_the_run_gains(law: Fit) -> None:
    """The linearised variance at the target after the run, from a fit to the runs and that one on the law."""
    target, run = (3e10, 1e12), Candidate((2e10, 4e11), 1.0)
    (ranked,) = rank_candidates(law, [run], target)
    inputs, y = made.rows(made.DESIGNS["chinchilla"], 0)
    more = {name: np.append(values, value) for (name, values), value in zip(inputs.items(), run.at, strict=True)}
    there = law.form.curve(law.theta[None], np.array([run.at]))[0][0]
    again = fit("chinchilla", more, np.append(y, there), Method(bootstrap=0, loss="squared"))
    assert isinstance(again, Fit)
    slopes = law.problem.form.curve(law.theta[None], np.array([target]))[1][0, 0]
    before, after = (slopes @ one.covariance @ slopes / one.noise.variance for one in (law, again))
    assert ranked.reduction == pytest.approx(1 - after / before, rel=0.02)


def test_candidates_are_ranked_and_say_what_they_cost(law: Fit) -> None:
    best = compute_optimum(law, 6e22)
    at = (best.params.value, best.samples.value)
    near, far = Candidate(at, 60.0, "near"), Candidate((1e8, 1e10), 0.01, "far")
    first, second = rank_candidates(law, [far, near], at)
    assert (first.candidate.name, second.candidate.name) == ("near", "far")
    assert 0 < second.reduction < first.reduction < 1
    assert first.per_cost == pytest.approx(first.reduction / 60)
    grid = proposed_candidates(law, 6e22, 6.0)
    assert len(grid) == 15
    assert all(6 * one.at[0] * one.at[1] == pytest.approx(one.cost) for one in grid)


def test_a_law_of_compute_ranks_too_but_knows_no_size() -> None:
    found = fit("power", *made.rows(made.DESIGNS["power"], 0), Method(bootstrap=20))
    assert isinstance(found, Fit)
    ranked = rank_candidates(found, proposed_candidates(found, 1e5), (1e5,))
    assert ranked[0].reduction > ranked[-1].reduction
    with pytest.raises(ValueError, match="has no model size"):
        compute_optimum(found, 1e5)


@pytest.mark.parametrize("budget", [1e19, 1e21, 1e24])
def test_proposals_are_inside_the_budget_and_the_same_again(law: Fit, budget: float) -> None:
    """Of budgets below the largest run too."""
    grid = proposed_candidates(law, budget, 6.0)
    assert max(one.cost for one in grid) <= budget * (1 + 1e-9)
    assert grid == proposed_candidates(law, budget, 6.0)
    target = grid[-1].at
    assert rank_candidates(law, grid, target) == rank_candidates(law, grid, target)


def test_mistakes_are_one_line(law: Fit) -> None:
    with pytest.raises(ValueError, match="budget must be positive, got 0"):
        compute_optimum(law, 0)
    with pytest.raises(ValueError, match="no candidates"):
        rank_candidates(law, [], (1e9, 1e10))
    with pytest.raises(ValueError, match="cost must be positive, got nan"):
        rank_candidates(law, [Candidate((1e9, 1e10), float("nan"))], (1e9, 1e10))

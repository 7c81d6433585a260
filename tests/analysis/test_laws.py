"""The fits of laws: slopes, minima, points, checks, and the answers to data that cannot be fitted."""

import math

import made_laws as made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from analysis.laws import checks
from analysis.laws.fit import fit
from analysis.laws.forms import FORMS, SIGMOID, Form
from analysis.laws.points import points
from analysis.laws.predict import predict
from analysis.laws.solve import Objective, Problem, minimum, nonnegative, projected
from analysis.laws.two_step import TwoStep, fit_two_step, predict_two_step
from analysis.laws.values import Fit, Method, TooFew

ALL = {**FORMS, "sigmoid": SIGMOID}
QUICK = Method(bootstrap=60, loss="squared")


def theta_of(form: Form) -> np.ndarray:
    if form is SIGMOID:
        return made.TOP.theta()
    return made.DESIGNS[form.name].theta()


def law(name: str, *, noise: float = 0.0, seed: int = 0, method: Method = QUICK) -> Fit:
    design = made.DESIGNS[name]
    inputs = {key: np.repeat(values, 2) for key, values in design.inputs.items()}
    y = design.law(inputs) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(inputs[form_input(name)])))
    found = fit(name, inputs, y, method)
    assert isinstance(found, Fit)
    return found


def form_input(name: str) -> str:
    return FORMS[name].inputs[0]


@pytest.mark.parametrize("name", ALL)
@given(st.integers(0, 10**6))
@settings(max_examples=15)
def test_slopes_are_those_of_the_curve(name: str, seed: int) -> None:
    form, rng = ALL[name], np.random.default_rng(seed)
    theta = theta_of(form) * (1 + 0.1 * rng.standard_normal((1, len(form.constants))))
    x = np.exp(rng.uniform(0, 8, (7, len(form.inputs)))) if form is not SIGMOID else rng.uniform(1, 5, (7, 1))
    value, slopes = form.curve(theta, x)
    for place in range(theta.shape[1]):
        step = np.zeros_like(theta)
        step[0, place] = 1e-6 * max(1, abs(theta[0, place]))
        numeric = (form.curve(theta + step, x)[0] - form.curve(theta - step, x)[0]) / (2 * step[0, place])
        scale = np.abs(value).max() + np.abs(numeric).max()
        np.testing.assert_allclose(slopes[0, :, place], numeric[0], rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_points_on_a_law_give_its_constants(name: str, loss: str) -> None:
    found = law(name, method=Method(bootstrap=0, loss=loss))
    for constant in found.constants:
        assert constant.value == pytest.approx(made.DESIGNS[name].truth[constant.name], rel=2e-3), constant
    assert found.scatter < 1e-4


@pytest.mark.parametrize("loss", ["huber", "squared"])
@pytest.mark.parametrize("scale", ["log", "value"])
def test_the_minimum_is_scipys(loss: str, scale: str) -> None:
    """scipy's own least squares, from the same start and from the true constants, finds nothing better."""
    design = made.DESIGNS["chinchilla"]
    inputs, y = made.rows(design, 3)
    x = np.stack(list(inputs.values()), axis=1)
    objective = Objective(1e-3 if loss == "huber" else np.inf, scale)
    problem = Problem(design.form, objective, x, objective.on_scale(y), *design.form.bounds(x))
    weights = np.ones(len(y))
    _, cost = minimum(problem, weights, projected(problem, weights)[:6])
    kind = {"loss": "huber", "f_scale": 1e-3} if loss == "huber" else {}
    theirs = least_squares(
        lambda t: problem.t - problem.curve(t[None])[0][0],
        design.theta()[0],
        jac=lambda t: -problem.curve(t[None])[1][0],
        x_scale="jac",
        max_nfev=2000,
        **kind,
    )
    assert cost <= theirs.cost * (1 + 1e-4)


def test_nonnegative_least_squares_meets_scipys() -> None:
    from scipy.optimize import nnls

    rng = np.random.default_rng(0)
    columns, y = rng.uniform(0.1, 1, (30, 12, 3)), rng.uniform(0.1, 1, 12)
    ours = nonnegative(columns, y, np.ones(12))
    for mine, columns_of_one in zip(ours, columns, strict=True):
        np.testing.assert_allclose(mine, nnls(columns_of_one, y)[0], atol=1e-6)


def test_units_and_order_of_the_rows_do_not_matter() -> None:
    inputs, y = made.rows(made.DESIGNS["power"], 1)
    first = fit("power", inputs, y, QUICK)
    order = np.random.default_rng(0).permutation(len(y))
    second = fit("power", {"compute": inputs["compute"][order] * 1e18}, y[order], QUICK)
    assert isinstance(first, Fit)
    assert isinstance(second, Fit)
    assert second["E"].value == pytest.approx(first["E"].value, rel=1e-5)
    assert second["b"].value == pytest.approx(first["b"].value, rel=1e-5)
    assert second["b"].interval == pytest.approx(first["b"].interval, rel=1e-3)
    assert second["a"].value == pytest.approx(first["a"].value * 1e18 ** first["b"].value, rel=1e-3)


def test_a_wild_point_moves_least_squares_but_not_huber() -> None:
    inputs, y = made.rows(made.DESIGNS["chinchilla"], 2)
    y[5] *= 3
    squared, huber = (fit("chinchilla", inputs, y, Method(loss=kind, bootstrap=0)) for kind in ("squared", "huber"))
    assert isinstance(squared, Fit)
    assert isinstance(huber, Fit)
    away = {found: abs(found["alpha"].value - made.HOFFMANN["alpha"]) for found in (squared, huber)}
    assert away[huber] < 0.05 < away[squared] or away[huber] < away[squared] / 3


def test_seeds_of_a_configuration_are_one_point() -> None:
    """Averaged on the log; counted once; a configuration is told by its columns where they are named."""
    objective = Objective()
    taken = points({"compute": [1, 1, 2]}, [1.0, 4.0, 3.0], objective)
    assert taken.t.tolist() == pytest.approx([math.log(2), math.log(3)])
    assert (taken.weight.tolist(), taken.pure_freedom) == ([2, 1], 1)
    assert taken.pure == pytest.approx(2 * math.log(2) ** 2)
    apart = points({"compute": [1, 1, 2]}, [1.0, 4.0, 3.0], objective, configuration=["a", "b", "c"])
    assert len(apart.t) == 3
    heavy = points({"compute": [1, 1]}, [1.0, 4.0], Objective(scale="value"), weights=[3, 1])
    assert heavy.t.tolist() == [1.75]


def test_of_very_many_configurations_some_are_fitted_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.laws.points.MOST", 50)
    compute = np.geomspace(1, 1e6, 1000)[::-1]
    found = fit("power", {"compute": compute}, 1.5 + 2 * compute**-0.3, QUICK)
    assert isinstance(found, Fit)
    assert found.configurations == 50
    assert found.ranges[0][1:] == (1.0, 1e6)  # the ends are among them
    assert found["b"].value == pytest.approx(0.3, abs=1e-3)
    assert "50 of 1,000 configurations fitted, evenly spread over their order by size" in found.notes


def test_rows_that_cannot_be_used_are_named() -> None:
    taken = points(
        {"compute": [1, None, 0, 4, 5, float("inf"), 7]},
        [1, 1, 1, math.nan, 1, 1, 1],
        Objective(),
        weights=[1] * 6 + [0],
    )
    assert len(taken.t) == 2
    assert taken.notes == (
        "2 rows left out: no finite compute",
        "1 row left out: compute is not positive",
        "1 row left out: no finite loss",
        "1 row left out: its weight is zero or missing",
    )


@pytest.mark.parametrize(
    ("form", "inputs", "y", "says"),
    [
        ("power", {"compute": []}, [], "needs at least 5 distinct configurations, has 0"),
        ("power", {"compute": [3]}, [0.5], "needs at least 5 distinct configurations, has 1"),
        ("power", {"compute": [1, 2, 3, 3]}, [4, 3, 2, 2.1], "needs at least 5 distinct configurations, has 3"),
        ("shifted", {"compute": [1, 2, 3, 4, 5]}, [5, 4, 3, 2, 1], "needs at least 6 distinct configurations, has 5"),
        ("broken", {"compute": [1, 2, 3, 4, 5]}, [5, 4, 3, 2, 1], "needs at least 8 distinct configurations, has 5"),
        ("power", {"compute": range(1, 10)}, [0.5] * 9, "needs at least 3 distinct values to fit, has 1"),
        ("power", {"compute": [math.nan] * 9}, [1] * 9, "needs at least 5 distinct configurations, has 0"),
        (
            "chinchilla",
            {"params": [1, 2] * 5, "samples": range(1, 11)},
            range(11, 1, -1),
            "needs at least 3 distinct values of params, has 2",
        ),
        (
            "chinchilla",
            {"params": range(1, 11), "samples": range(20, 220, 20)},
            range(11, 1, -1),
            "needs at least 3 distinct ratios of samples to params, has 1",
        ),
    ],
)
def test_too_few_points_are_an_answer(form: str, inputs: dict, y: list, says: str) -> None:
    found = fit(form, inputs, y, QUICK)
    assert isinstance(found, TooFew)
    assert says in str(found)


def test_a_value_of_compute_counts_once_however_many_configurations_have_it() -> None:
    found = fit("power", {"compute": [1, 10] * 6}, range(1, 13), QUICK, configuration=range(12))
    assert str(found) == "too few points: needs at least 5 distinct values of compute, has 2"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cubic", {"compute": [1]}, [1]), "no law 'cubic'; there are power"),
        (("chinchilla", {"params": [1]}, [1]), "missing: samples"),
        (("power", {"compute": range(1, 9)}, [0.5] * 7 + [0]), "loss 0 has no logarithm"),
        (("power", {"compute": range(1, 9)}, [0.5] * 7), "differ in length"),
        (("power", {"compute": range(1, 9)}, [1] * 8, Method(fixed=(("c", 1.0),))), "has no constant 'c'"),
        (("power", {"compute": range(1, 9)}, [1] * 8, Method(fixed=(("a", -1.0),))), "a must be positive"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        fit(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [{"loss": "cubic"}, {"delta": 0.0}, {"bootstrap": -1}, {"level": 1.0}, {"held_out": -1}, {"on": "root"}],
)
def test_methods_that_there_are_none_of(options: dict) -> None:
    with pytest.raises(ValueError, match=r"got|no such"):
        Method(**options)


@pytest.mark.parametrize("y", [list(range(1, 10)), [1.0, 1.1, 1.0, 1.2, 1.0, 1.0, 1.1, 1.0, 50.0]])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_points_without_a_law_still_give_finite_values(y: list[float], loss: str) -> None:
    """Rising, or one far off: no warning (they are errors), and numbers to look at."""
    found = fit("power", {"compute": range(1, 10)}, y, Method(bootstrap=20, loss=loss))
    assert isinstance(found, Fit)
    assert all(math.isfinite(constant.value) for constant in found.constants)
    assert predict(found, [(20,)])[0].value > 0


def test_a_constant_can_be_held() -> None:
    inputs = made.DESIGNS["power"].inputs
    found = fit("power", inputs, 2 * inputs["compute"] ** -0.5, Method(fixed=(("E", 0.0),), bootstrap=20))
    assert isinstance(found, Fit)
    assert (found["E"].fixed, found["E"].interval) == (True, (0.0, 0.0))
    assert (found["a"].value, found["b"].value) == pytest.approx((2, 0.5))


# --- checks --------------------------------------------------------------------------------------------------------


def test_predictions_say_how_far_they_reach() -> None:
    found = law("power", noise=0.01)
    inside, above, below = predict(found, [(100.0,), (1e6,), (0.1,)])
    assert (inside.kind, inside.factor) == ("interpolation", 1.0)
    assert (above.kind, above.factor) == ("extrapolation", pytest.approx(100))
    assert (below.kind, below.factor) == ("extrapolation", pytest.approx(10))
    for made_one in (inside, above, below):
        assert made_one.run_interval[0] <= made_one.interval[0] <= made_one.value
        assert made_one.value <= made_one.interval[1] <= made_one.run_interval[1]
    with pytest.raises(ValueError, match="positive compute, got 0"):
        predict(found, [(0,)])
    with pytest.raises(ValueError, match="2 numbers, got 1"):
        predict(law("chinchilla"), [(3.0,)])


def test_both_inputs_inside_can_be_beyond_in_compute() -> None:
    x = np.array([[1.0, 100.0], [10.0, 10.0], [100.0, 1.0]])
    assert checks.beyond(x, np.array([5.0, 20.0])) == 1
    assert checks.beyond(x, np.array([100.0, 100.0])) == pytest.approx(100)


def test_the_largest_rungs_are_held_out_and_predicted() -> None:
    found = law("power", noise=0.002, method=Method(bootstrap=0, held_out=2))
    check = found.held_out
    assert check is not None
    assert (check.rungs, check.configurations) == (2, 2)
    assert check.factor == pytest.approx((1e4) ** (2 / 11))
    assert check.error < 0.01
    assert fit("power", {"compute": range(1, 6)}, [5, 4, 3.5, 3.2, 3.1], QUICK).held_out is None  # type: ignore[union-attr]


def test_a_wrong_law_is_found_out_by_its_held_out_rungs_and_its_residuals() -> None:
    design = made.DESIGNS["broken"]
    inputs, y = made.rows(design, 4)
    wrong, right = (fit(form, inputs, y, Method(bootstrap=0)) for form in ("power", "broken"))
    assert isinstance(wrong, Fit)
    assert isinstance(right, Fit)
    assert wrong.lack_of_fit.found
    assert not right.lack_of_fit.found
    assert wrong.held_out is not None
    assert right.held_out is not None
    assert wrong.held_out.error > 3 * right.held_out.error


def test_lack_of_fit_is_judged_by_the_scatter_of_seeds_where_there_is_one() -> None:
    """At its level for the right law, and found for the wrong one."""
    right = made.Design(FORMS["power"], {"E": 0.15, "a": 0.6, "b": 0.35}, {"compute": np.geomspace(1, 1e4, 10)}, 3)
    found = [fit("power", *made.rows(right, seed), Method(bootstrap=0)) for seed in range(20)]
    assert sum(one.lack_of_fit.found for one in found if isinstance(one, Fit)) <= 4
    wrong = made.Design(FORMS["broken"], made.DESIGNS["broken"].truth, {"compute": np.geomspace(1, 1e6, 10)}, 3)
    one = fit("power", *made.rows(wrong, 0), Method(bootstrap=0))
    assert isinstance(one, Fit)
    assert "seeds" in one.lack_of_fit.test
    assert one.lack_of_fit.found


def test_residuals_without_order_are_no_lack_of_fit() -> None:
    design = made.DESIGNS["chinchilla"]
    found = [fit("chinchilla", *made.rows(design, seed), Method(bootstrap=0, loss="squared")) for seed in range(12)]
    assert sum(one.lack_of_fit.found for one in found if isinstance(one, Fit)) <= 3


def test_the_order_of_many_residuals_is_judged_as_that_of_few() -> None:
    """The normal limit beyond 100 residuals agrees with permutations."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        rank = np.argsort(np.argsort(rng.standard_normal(100) + np.linspace(0, 0.5, 100))) + 1.0
        exact = checks._alike(np.diff(rank), rank)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checks, "EXACT", 10)
            assert checks._alike(np.diff(rank), rank) == pytest.approx(exact, abs=0.03)


# --- two steps -----------------------------------------------------------------------------------------------------


def test_two_steps_give_accuracy_by_compute() -> None:
    found = fit_two_step(*made.two_step_rows(0), Method(bootstrap=100))
    assert isinstance(found, TwoStep)
    inside, outside = predict_two_step(found, [(100.0,), (2e6,)])
    losses = made.LOSS.law({"compute": np.array([100.0, 2e6])})
    assert inside.value == pytest.approx(made.TOP.law({"loss": losses[:1]})[0], abs=0.02)
    assert outside.interval[0] < made.TOP.law({"loss": losses[1:]})[0] < outside.interval[1]
    assert (inside.kind, outside.kind) == ("interpolation", "extrapolation")
    assert found.held_out is not None
    assert found.held_out.error < 0.03


def test_two_steps_hold_constants_of_either() -> None:
    found = fit_two_step(*made.two_step_rows(1), Method(bootstrap=0, fixed=(("floor", 0.1), ("E", 1.6))))
    assert isinstance(found, TwoStep)
    assert found.loss["E"].value == 1.6
    assert found.accuracy["floor"].value == 0.1
    with pytest.raises(ValueError, match="no constant 'top'"):
        fit_two_step(*made.two_step_rows(1), Method(fixed=(("top", 0.9),)))


def test_two_steps_need_both_numbers_of_a_row() -> None:
    inputs, losses, tops = made.two_step_rows(2)
    tops[0], losses[4] = math.nan, math.nan
    found = fit_two_step(inputs, losses, tops, Method(bootstrap=20))
    assert isinstance(found, TwoStep)
    assert found.loss.rows == found.accuracy.rows == len(losses) - 2
    few = fit_two_step({"compute": [1, 2, 3, 4, 5]}, [5, 4, 3, 2, 1], [0.1, 0.2, 0.3, 0.4, 0.5])
    assert str(few) == "too few points: needs at least 6 distinct configurations, has 5"
    with pytest.raises(ValueError, match="accuracy 87 is no fraction"):
        fit_two_step(inputs, losses, np.full(len(losses), 87.0))
    zero = fit_two_step(inputs, losses, np.zeros(len(losses)), Method(bootstrap=20))
    assert str(zero) == "too few points: needs at least 3 distinct values to fit, has 1"
    some = fit_two_step(inputs, losses, np.where(losses > 2.6, 0, tops), Method(bootstrap=20))
    assert isinstance(some, TwoStep)
    assert 0 <= predict_two_step(some, [(1.0,)])[0].value < 0.05

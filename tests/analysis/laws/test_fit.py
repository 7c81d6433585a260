"""What a fit answers: its constants, predictions, held-out rungs and lack of fit; two steps."""

import math
from typing import Literal

import numpy as np
import pytest

from analysis.laws import checks
from analysis.laws.fit import fit
from analysis.laws.forms import FORMS
from analysis.laws.predict import predict
from analysis.laws.two_step import TwoStep, fit_two_step, predict_two_step
from analysis.laws.values import Fit, Method
from tests.helpers import laws_rows as made


@pytest.mark.parametrize("y", [list(range(1, 10)), [1.0, 1.1, 1.0, 1.2, 1.0, 1.0, 1.1, 1.0, 50.0]])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_points_without_a_law_still_give_finite_values(y: list[float], loss: Literal["squared", "huber"]) -> None:
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
    found = made.quick_fit("power", noise=0.01)
    inside, above, below = predict(found, [(100.0,), (1e6,), (0.1,)])
    assert (inside.kind, inside.factor) == ("interpolation", 1.0)
    assert above.kind == below.kind == "extrapolation"
    assert [above.factor, below.factor] == pytest.approx([100, 10])
    for made_one in (inside, above, below):
        assert made_one.run_interval[0] <= made_one.interval[0] <= made_one.value
        assert made_one.value <= made_one.interval[1] <= made_one.run_interval[1]
    with pytest.raises(ValueError, match="positive compute, got 0"):
        predict(found, [(0,)])
    with pytest.raises(ValueError, match="2 numbers, got 1"):
        predict(made.quick_fit("chinchilla"), [(3.0,)])


def test_both_inputs_inside_can_be_beyond_in_compute() -> None:
    x = np.array([[1.0, 100.0], [10.0, 10.0], [100.0, 1.0]])
    assert checks.beyond(x, np.array([5.0, 20.0])) == 1
    assert checks.beyond(x, np.array([100.0, 100.0])) == pytest.approx(100)


def test_the_largest_rungs_are_held_out_and_predicted() -> None:
    found = made.quick_fit("power", noise=0.002, method=Method(bootstrap=0, held_out=2))
    check = found.held_out
    assert check is not None
    assert (check.rungs, check.configurations) == (2, 2)
    assert check.factor == pytest.approx((1e4) ** (2 / 11))
    assert check.error < 0.01
    few = fit("power", {"compute": range(1, 6)}, [5, 4, 3.5, 3.2, 3.1], made.QUICK)
    assert isinstance(few, Fit)
    assert few.held_out is None


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

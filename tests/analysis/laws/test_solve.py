"""The solver of fits: slopes and minima, beside scipy's."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from analysis.laws.forms import FORMS, SIGMOID, Form
from analysis.laws.solve import Objective, Problem, minimum, nonnegative, projected
from analysis.laws.values import Method
from tests.helpers import laws_rows as made

ALL = {**FORMS, "sigmoid": SIGMOID}


def theta_of(form: Form) -> np.ndarray:
    if form is SIGMOID:
        return made.TOP.theta()
    return made.DESIGNS[form.name].theta()


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
def test_points_on_a_law_give_its_constants(name: str, loss: Literal["squared", "huber"]) -> None:
    found = made.quick_fit(name, method=Method(bootstrap=0, loss=loss))
    for constant in found.constants:
        assert constant.value == pytest.approx(made.DESIGNS[name].truth[constant.name], rel=2e-3), constant
    assert found.scatter < 1e-4


@pytest.mark.parametrize("loss", ["huber", "squared"])
@pytest.mark.parametrize("scale", ["log", "value"])
def test_the_minimum_is_scipys(loss: str, scale: Literal["log", "value"]) -> None:
    """scipy's own least squares, from the same start and from the true constants, finds nothing better."""
    design = made.DESIGNS["chinchilla"]
    inputs, y = made.rows(design, 3)
    x = np.stack(list(inputs.values()), axis=1)
    objective = Objective(1e-3 if loss == "huber" else np.inf, scale)
    problem = Problem(design.form, objective, x, objective.on_scale(y), *design.form.bounds(x))
    weights = np.ones(len(y))
    _, cost = minimum(problem, weights, projected(problem, weights)[:6])
    kind: dict[str, Any] = {"loss": "huber", "f_scale": 1e-3} if loss == "huber" else {}
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

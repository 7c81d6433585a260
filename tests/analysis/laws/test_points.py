"""The points of a fit: configurations, seeds, rows that cannot be used, and too few of them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.laws.fit import fit
from analysis.laws.points import averaged_points
from analysis.laws.solve import Objective
from analysis.laws.values import Fit, Method, TooFew
from tests.helpers import laws_rows as made


def test_units_and_order_of_the_rows_do_not_matter() -> None:
    inputs, y = made.rows(made.DESIGNS["power"], 1)
    first = fit("power", inputs, y, made.QUICK)
    order = np.random.default_rng(0).permutation(len(y))
    second = fit("power", {"compute": inputs["compute"][order] * 1e18}, y[order], made.QUICK)
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
    taken = averaged_points({"compute": [1, 1, 2]}, [1.0, 4.0, 3.0], objective)
    assert taken.t.tolist() == pytest.approx([math.log(2), math.log(3)])
    assert (taken.weight.tolist(), taken.pure_freedom) == ([2, 1], 1)
    assert taken.pure == pytest.approx(2 * math.log(2) ** 2)
    apart = averaged_points({"compute": [1, 1, 2]}, [1.0, 4.0, 3.0], objective, configuration=["a", "b", "c"])
    assert len(apart.t) == 3
    heavy = averaged_points({"compute": [1, 1]}, [1.0, 4.0], Objective(scale="value"), weights=[3, 1])
    assert heavy.t.tolist() == [1.75]


def test_of_very_many_configurations_some_are_fitted_and_it_says_so() -> None:
    compute = np.geomspace(1, 1e6, 1000)[::-1]
    found = fit("power", {"compute": compute}, 1.5 + 2 * compute**-0.3, replace(made.QUICK, most=50))
    assert isinstance(found, Fit)
    assert found.configurations == 50
    assert found.ranges[0][1:] == (1.0, 1e6)  # the ends are among them
    assert found["b"].value == pytest.approx(0.3, abs=1e-3)
    assert "50 of 1,000 configurations fitted, evenly spread over their order by size" in found.notes


def test_rows_that_cannot_be_used_are_named() -> None:
    taken = averaged_points(
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
def test_too_few_points_are_an_answer(form: str, inputs: dict[str, Any], y: list[float], says: str) -> None:
    found = fit(form, inputs, y, made.QUICK)
    assert isinstance(found, TooFew)
    assert says in str(found)


def test_a_value_of_compute_counts_once_however_many_configurations_have_it() -> None:
    found = fit("power", {"compute": [1, 10] * 6}, range(1, 13), made.QUICK, configuration=range(12))
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
def test_mistakes_are_one_line(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        fit(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "cubic"},
        {"delta": 0.0},
        {"bootstrap": -1},
        {"level": 1.0},
        {"held_out": -1},
        {"most": 0},
        {"on": "root"},
    ],
)
def test_methods_that_there_are_none_of(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"got|no such"):
        Method(**options)

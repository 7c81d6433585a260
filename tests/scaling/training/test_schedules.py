"""The rate at given steps, against values worked out by hand."""

from dataclasses import replace
from functools import partial
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.specs.recipe import Recipe
from scaling.training.optim import learning_rate

Shape = Literal["linear", "1-sqrt", "cosine"]
LINEAR = Recipe(warmup_steps=100, schedule="linear", end_lr=1e-5)
COSINE = Recipe(warmup_steps=100, schedule="cosine")
CONSTANT = Recipe(warmup_steps=100, schedule="constant")
RSQRT = Recipe(warmup_steps=100, schedule="rsqrt", timescale=300)
WSD = Recipe(warmup_steps=100, schedule="wsd", decay_share=0.2, end_lr=1e-5)
STEPS = Recipe(warmup_steps=100, schedule="steps", decay_at=(0.3, 0.6, 0.9))


@pytest.mark.parametrize(
    ("step", "linear", "cosine"),
    [
        (0, 0.0, 0.0),
        (50, 0.5e-3, 0.5e-3),
        (100, 1e-3, 1e-3),
        (350, 1e-5 + 0.99e-3 * 0.75, 1e-3 * 0.8535533905932737),  # a quarter of the way: (1 + cos(pi / 4)) / 2
        (600, 1e-5 + 0.99e-3 * 0.5, 0.5e-3),
        (1100, 1e-5, 0.0),
    ],
)
def test_by_hand(step: int, linear: float, cosine: float) -> None:
    for recipe, expected in ((LINEAR, linear), (COSINE, cosine)):
        rate = learning_rate(step, base_lr=1e-3, steps=1100, recipe=recipe)
        assert rate == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0), (50, 0.5), (100, 1), (299, 1), (300, 0.1), (599, 0.1), (600, 0.01), (899, 0.01), (900, 1e-3), (999, 1e-3)],
)
def test_steps_by_hand(step: int, expected: float) -> None:
    assert learning_rate(step, base_lr=1.0, steps=1000, recipe=STEPS) == pytest.approx(expected, rel=1e-12)


def test_warm_up_multiplies_what_has_decayed() -> None:
    recipe = Recipe(warmup_steps=40, schedule="steps", decay_at=(0.3,))
    assert learning_rate(30, base_lr=1.0, steps=100, recipe=recipe) == pytest.approx(0.1 * 30 / 40)


@pytest.mark.parametrize(
    ("step", "constant", "rsqrt", "linear", "root", "cosine"),
    [
        (0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (50, 0.5, 0.5, 0.5, 0.5, 0.5),
        (100, 1.0, 1.0, 1.0, 1.0, 1.0),
        (400, 1.0, 2**-0.5, 1.0, 1.0, 1.0),  # a timescale after the warm-up
        (800, 1.0, (1 + 7 / 3) ** -0.5, 1.0, 1.0, 1.0),  # the last fifth begins
        (850, 1.0, (1 + 7.5 / 3) ** -0.5, 0.75, 0.5, (1 + 0.5**0.5) / 2),  # a quarter of it
        (900, 1.0, (1 + 8 / 3) ** -0.5, 0.5, 1 - 0.5**0.5, 0.5),
        (1000, 1.0, 0.5, 0.0, 0.0, 0.0),
    ],
)
def test_schedules_of_open_length_by_hand(
    step: int, constant: float, rsqrt: float, linear: float, root: float, cosine: float
) -> None:
    """By shares of the peak; of a decay down to `end_lr`, which is reached exactly."""
    rate = partial(learning_rate, step, base_lr=1e-3, steps=1000)
    assert rate(recipe=CONSTANT) == pytest.approx(1e-3 * constant, rel=1e-12)
    assert rate(recipe=RSQRT) == pytest.approx(1e-3 * rsqrt, rel=1e-12)
    shapes: dict[Shape, float] = {"linear": linear, "1-sqrt": root, "cosine": cosine}
    for shape, share in shapes.items():
        floor = 1e-5 if step > 100 else 0.0
        expected = floor + (1e-3 - floor) * share
        assert rate(recipe=replace(WSD, decay_shape=shape)) == pytest.approx(expected, rel=1e-12)
    assert learning_rate(1000, base_lr=1e-3, steps=1000, recipe=WSD) == 1e-5


@pytest.mark.parametrize("schedule", [WSD, CONSTANT, RSQRT])
def test_a_longer_training_begins_with_the_shorter_one(schedule: Recipe) -> None:
    """Up to its decay: that is what these schedules are for."""
    rates = [
        [learning_rate(i, base_lr=1.0, steps=steps, recipe=schedule) for i in range(801)] for steps in (1000, 4000)
    ]
    assert rates[0] == rates[1]


@pytest.mark.parametrize("percent", range(1, 100))
def test_the_rate_falls_at_the_very_step_that_a_share_means(percent: int) -> None:
    recipe = Recipe(warmup_steps=0, schedule="steps", decay_at=(percent / 100,))  # 0.07 * 100 is more than 7
    before, after = (learning_rate(step, base_lr=1.0, steps=100, recipe=recipe) for step in (percent - 1, percent))
    assert before == 1.0
    assert after == pytest.approx(0.1)


@given(
    st.integers(0, 500),
    st.integers(1, 500),
    st.integers(0, 300),
    st.floats(1e-6, 1),
    st.sampled_from([LINEAR, COSINE, STEPS, CONSTANT, RSQRT, WSD]),
)
def test_never_above_the_peak_nor_below_zero(step: int, steps: int, warmup: int, base_lr: float, kind: Recipe) -> None:
    recipe = replace(kind, warmup_steps=warmup)
    assert 0 <= learning_rate(step, base_lr=base_lr, steps=steps, recipe=recipe) <= base_lr

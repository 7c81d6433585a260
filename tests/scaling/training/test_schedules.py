"""The rate at given steps, against values worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.specs import Recipe
from scaling.training.schedules import learning_rate

LINEAR = Recipe(warmup_steps=100, schedule="linear", end_lr=1e-5)
COSINE = Recipe(warmup_steps=100, schedule="cosine")


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


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 300), st.floats(1e-6, 1), st.booleans())
def test_never_above_the_peak_nor_below_zero(step: int, steps: int, warmup: int, base_lr: float, linear: bool) -> None:
    recipe = Recipe(warmup_steps=warmup, schedule="linear" if linear else "cosine")
    assert 0 <= learning_rate(step, base_lr=base_lr, steps=steps, recipe=recipe) <= base_lr

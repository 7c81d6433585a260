"""Simulated studies: the true constants lie in their 95 % intervals as often as they should."""

from typing import Literal

import numpy as np
import pytest

from analysis.laws.fit import fit
from analysis.laws.predict import predict
from analysis.laws.two_step import TwoStep, predict_two_step
from analysis.laws.values import Fit, Method
from tests.helpers import laws_rows as made

NAMES = (*made.DESIGNS, "two-step")
BEYOND = {"power": (1e5,), "shifted": (1e6,), "broken": (1e7,), "chinchilla": (3e10, 2e12), "two-step": (2e5,)}


def predicted(name: str, found: Fit | TwoStep) -> tuple[tuple[float, float], float]:
    """The interval of the prediction ten times beyond the largest run, and the truth there."""
    if isinstance(found, TwoStep):
        losses = made.LOSS.law({"compute": np.array(BEYOND[name])})
        return predict_two_step(found, [BEYOND[name]])[0].interval, float(made.TOP.law({"loss": losses})[0])
    design = made.DESIGNS[name]
    there = {key: np.array([value]) for key, value in zip(design.form.inputs, BEYOND[name], strict=True)}
    return predict(found, [BEYOND[name]])[0].interval, float(design.law(there)[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_few_studies_give_back_their_laws(name: str) -> None:
    """Of 8 studies, at least 6 have each constant in its interval, by the bootstrap and by the profile."""
    kinds = ("bootstrap", "profile")
    inside: dict[tuple[str, str], int] = {}
    for seed in range(8):
        _, constants, truth = made.fitted(name, seed, Method(bootstrap=80, loss="squared", seed=seed))
        for key in truth:
            for kind in kinds:
                hit = made.covered(getattr(constants[key], kind), truth[key])
                inside[key, kind] = inside.get((key, kind), 0) + hit
    assert min(inside.values()) >= 6, inside


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared", "huber"])
@pytest.mark.parametrize("name", NAMES)
def test_true_constants_are_inside_19_times_in_20(name: str, loss: Literal["squared", "huber"]) -> None:
    """Of 200 studies, in 90 to 99 % by the interval that counts; and in 90 % or more what is predicted beyond them."""
    inside: dict[str, int] = {}
    beyond = 0
    for seed in range(200):
        found, constants, truth = made.fitted(name, 1000 + seed, Method(bootstrap=500, loss=loss, seed=seed))
        for key, value in truth.items():
            inside[key] = inside.get(key, 0) + made.covered(constants[key].interval, value)
        beyond += made.covered(*predicted(name, found))
    assert all(180 <= count <= 198 for count in inside.values()), inside
    assert beyond >= 180


def published_runs(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """240 runs as in Hoffmann et al.'s Figure 4: sizes and lengths all over, and noise with a few far off."""
    rng = np.random.default_rng(seed)
    params = np.exp(rng.uniform(np.log(6e7), np.log(1.6e10), 240))
    flops = np.exp(rng.uniform(np.log(6e18), np.log(3e21), 240))
    inputs = {"params": params, "samples": flops / (6 * params)}
    design = made.DESIGNS["chinchilla"]
    return inputs, design.law(inputs) * np.exp(0.005 * rng.standard_t(3, 240))


@pytest.mark.parametrize("seed", [0, 1])
def test_published_constants_are_found_from_runs_like_the_published(seed: int) -> None:
    """Ours within the intervals of Besiroglu et al. (2024, 'Chinchilla scaling'), and the truth within ours."""
    found = fit("chinchilla", *published_runs(seed), Method(bootstrap=150, seed=seed))
    assert isinstance(found, Fit)
    theirs = {"A": (285, 744), "B": (1042, 5810), "E": (1.769, 1.871), "alpha": (0.317, 0.373), "beta": (0.331, 0.415)}
    for name, interval in theirs.items():
        assert made.covered(interval, found[name].value), name
        assert made.covered(found[name].bootstrap, made.HOFFMANN[name]), name

"""Runs made from known laws: designs such as studies have, with noise of seeds and of configurations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.laws.fit import fit
from analysis.laws.forms import FORMS, SIGMOID, Array, Form
from analysis.laws.two_step import TwoStep, fit_two_step
from analysis.laws.values import Constant, Fit, Method


@dataclass(frozen=True)
class Design:
    """A law's form, its true constants by name, the inputs of the configurations, and the noise (of the log)."""

    form: Form
    truth: dict[str, float]
    inputs: dict[str, Any]
    seeds: int = 1
    noise: float = 0.01
    between: float = 0.0

    def theta(self) -> Array:
        values = np.array([self.truth[name] for name in self.form.constants])
        theta: Array = np.where(self.form.logs, np.log(np.maximum(values, 1e-300)), values)[None]
        return theta

    def law(self, inputs: dict[str, Any]) -> Any:
        return self.form.curve(self.theta(), np.stack([inputs[name] for name in self.form.inputs], axis=1))[0][0]


def isoflops(budgets: Any, sizes: Any) -> dict[str, Any]:
    params, flops = (grid.ravel() for grid in np.meshgrid(sizes, budgets))
    return {"params": params, "samples": flops / (6 * params)}


HOFFMANN = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}  # Besiroglu et al. (2024)
DESIGNS = {
    "power": Design(
        FORMS["power"], {"E": 0.15, "a": 0.6, "b": 0.35}, {"compute": np.geomspace(1, 1e4, 12)}, seeds=3, between=0.005
    ),
    "shifted": Design(
        FORMS["shifted"], {"a": 2.0, "b": 8.0, "c": 0.4, "d": 0.1}, {"compute": np.geomspace(1, 1e5, 20)}, seeds=3
    ),
    "chinchilla": Design(
        FORMS["chinchilla"], HOFFMANN, isoflops(np.geomspace(1e18, 3e21, 8), np.geomspace(3e7, 1e10, 8))
    ),
    "broken": Design(
        FORMS["broken"],
        {"a": 0.1, "b": 2.0, "c0": 0.05, "c1": 0.4, "d1": 300.0, "f1": 0.4},
        {"compute": np.geomspace(1, 1e6, 36)},
        noise=0.005,
    ),
}
LOSS = Design(FORMS["power"], {"E": 1.6, "a": 2.4, "b": 0.3}, {"compute": np.geomspace(0.5, 2e4, 20)}, seeds=2)
TOP = Design(SIGMOID, {"floor": 0.1, "ceiling": 0.9, "k": 4.0, "L0": 2.6}, {}, noise=0.01)


def rows(design: Design, seed: int) -> tuple[dict[str, Any], Any]:
    """Inputs and noisy values of the design, a row a seed of each configuration."""
    rng = np.random.default_rng(seed)
    inputs = {name: np.repeat(values, design.seeds) for name, values in design.inputs.items()}
    count = len(next(iter(design.inputs.values())))
    shift = np.repeat(design.between * rng.standard_normal(count), design.seeds)
    values = design.law(inputs)
    return inputs, values * np.exp(shift + design.noise * rng.standard_normal(len(values)))


def two_step_rows(seed: int) -> tuple[dict[str, Any], Any, Any]:
    """Inputs, losses, and accuracies that follow the losses."""
    inputs, losses = rows(LOSS, seed)
    noise = TOP.noise * np.random.default_rng(seed + 10**6).standard_normal(len(losses))
    return inputs, losses, np.clip(TOP.law({"loss": losses}) + noise, 0, 1)


def fitted(name: str, seed: int, method: Method) -> tuple[Fit | TwoStep, dict[str, Constant], dict[str, float]]:
    """The fit of one simulated study, its constants, and the true ones."""
    if name == "two-step":
        both = fit_two_step(*two_step_rows(seed), method)
        assert isinstance(both, TwoStep)
        return both, {c.name: c for c in (*both.loss.constants, *both.accuracy.constants)}, LOSS.truth | TOP.truth
    design = DESIGNS[name]
    found = fit(name, *rows(design, seed), method)
    assert isinstance(found, Fit)
    return found, {c.name: c for c in found.constants}, design.truth


def covered(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


QUICK = Method(bootstrap=60, loss="squared")


def quick_fit(name: str, *, noise: float = 0.0, seed: int = 0, method: Method = QUICK) -> Fit:
    design = DESIGNS[name]
    inputs = {key: np.repeat(values, 2) for key, values in design.inputs.items()}
    y = design.law(inputs) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(inputs[form_input(name)])))
    found = fit(name, inputs, y, method)
    assert isinstance(found, Fit)
    return found


def form_input(name: str) -> str:
    return FORMS[name].inputs[0]

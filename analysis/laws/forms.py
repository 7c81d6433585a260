"""The forms of scaling laws, as values: formula, constants, bounds, and the curve with its slopes.

Arrays: theta (batch, constants) are the constants as they are fitted, positive scales as natural logarithms; x
(points, inputs); a curve is (batch, points), its slopes by theta (batch, points, constants). Given a form's `shapes`
(exponents and places), its curve is linear in the remaining constants, the scales: curve = sum over k of scale_k x
columns_k.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Curve = Callable[[Array, Array], tuple[Array, Array]]
NO_BOUND = np.inf
EXPONENT = (1e-4, 10.0)  # limits of the exponent of a falling power


@dataclass(frozen=True)
class Form:
    """One form of law.

    `logs` marks the constants that are fitted as logarithms, `bounds` gives the limits of theta for data x, `shapes`
    a grid (grid, shapes) to start from, `columns` (grid, points, scales), and `join` puts both together as theta.
    """

    name: str
    formula: str
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    logs: tuple[bool, ...]
    curve: Curve
    bounds: Callable[[Array], tuple[Array, Array]]
    shapes: Callable[[Array], Array]
    columns: Callable[[Array, Array], Array]
    join: Callable[[Array, Array], Array]

    def natural(self, theta: Array) -> Array:
        """Theta as the constants of the formula."""
        with np.errstate(over="ignore"):
            return np.where(self.logs, np.exp(theta), theta)


def _log(scale: Array) -> Array:
    """The logarithm of a scale that may be 0, as nonnegative least squares leaves it."""
    return np.log(np.maximum(scale, 1e-100))


def _grid(*axes: Array) -> Array:
    """All combinations of the axes' values: (grid, axes)."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def _powers(theta: Array, logs: Array) -> Array:
    """The power law exp(theta[:, 0] - theta[:, 1] * logs), (batch, points); infinite on overflow."""
    with np.errstate(over="ignore"):
        curve: Array = np.exp(theta[:, :1] - theta[:, 1:2] * logs)
        return curve


# --- E + a C^-b ----------------------------------------------------------------------------------------------------


def _power(theta: Array, x: Array) -> tuple[Array, Array]:
    logs = np.log(x[:, 0])
    term = _powers(theta[:, 1:3], logs)
    slopes = np.stack([np.ones_like(term), term, -term * logs], axis=2)
    return theta[:, :1] + term, slopes


POWER = Form(
    name="power",
    formula="E + a C^-b",
    inputs=("compute",),
    constants=("E", "a", "b"),
    logs=(False, True, False),
    curve=_power,
    # scales are logarithms, and exp(700) is about the largest float64
    bounds=lambda x: (np.array([0, -700, EXPONENT[0]]), np.array([NO_BOUND, 700, EXPONENT[1]])),
    shapes=lambda x: np.geomspace(0.003, 4, 48)[:, None],
    columns=lambda shapes, x: np.stack(
        [np.ones((len(shapes), len(x))), np.exp(-shapes[:, :1] * np.log(x[:, 0]))], axis=2
    ),
    join=lambda shapes, scales: np.stack([scales[:, 0], _log(scales[:, 1]), shapes[:, 0]], axis=1),
)


# --- a (C + b)^-c + d (Zhai et al. 2022, 'Scaling Vision Transformers') ----------------------------------------------


def _shifted(theta: Array, x: Array) -> tuple[Array, Array]:
    shift, power = theta[:, 1:2], theta[:, 2:3]
    moved = x[:, 0] + shift
    logs = np.log(moved)
    term = np.exp(theta[:, :1] - power * logs)
    slopes = np.stack([term, -term * power / moved, -term * logs, np.ones_like(term)], axis=2)
    return theta[:, 3:4] + term, slopes


def _shifted_shapes(x: Array) -> Array:
    low, high = x[:, 0].min(), x[:, 0].max()
    shifts = np.concatenate([[0.0], np.geomspace(low / 10, high, 16)])
    return _grid(shifts, np.geomspace(0.01, 4, 24))


SHIFTED = Form(
    name="shifted",
    formula="a (C + b)^-c + d",
    inputs=("compute",),
    constants=("a", "b", "c", "d"),
    logs=(True, False, False, False),
    curve=_shifted,
    bounds=lambda x: (
        np.array([-700, 0, EXPONENT[0], 0]),
        np.array([700, 10 * x[:, 0].max(), EXPONENT[1], NO_BOUND]),
    ),
    shapes=_shifted_shapes,
    columns=lambda shapes, x: np.stack(
        [np.exp(-shapes[:, 1:2] * np.log(x[:, 0] + shapes[:, :1])), np.ones((len(shapes), len(x)))], axis=2
    ),
    join=lambda shapes, scales: np.stack([_log(scales[:, 0]), shapes[:, 0], shapes[:, 1], scales[:, 1]], axis=1),
)


# --- E + A N^-alpha + B D^-beta (Hoffmann et al. 2022, approach 3) ---------------------------------------------------


def _chinchilla(theta: Array, x: Array) -> tuple[Array, Array]:
    log_n, log_d = np.log(x[:, 0]), np.log(x[:, 1])
    of_n, of_d = _powers(theta[:, [1, 3]], log_n), _powers(theta[:, [2, 4]], log_d)
    slopes = np.stack([np.ones_like(of_n), of_n, of_d, -of_n * log_n, -of_d * log_d], axis=2)
    return theta[:, :1] + of_n + of_d, slopes


def _chinchilla_columns(shapes: Array, x: Array) -> Array:
    of_n, of_d = np.exp(-shapes[:, :1] * np.log(x[:, 0])), np.exp(-shapes[:, 1:] * np.log(x[:, 1]))
    return np.stack([np.ones_like(of_n), of_n, of_d], axis=2)


CHINCHILLA = Form(
    name="chinchilla",
    formula="E + A / N^alpha + B / D^beta",
    inputs=("params", "samples"),
    constants=("E", "A", "B", "alpha", "beta"),
    logs=(False, True, True, False, False),
    curve=_chinchilla,
    bounds=lambda x: (
        np.array([0, -700, -700, EXPONENT[0], EXPONENT[0]]),
        np.array([NO_BOUND, 700, 700, EXPONENT[1], EXPONENT[1]]),
    ),
    shapes=lambda x: _grid(np.geomspace(0.03, 2, 16), np.geomspace(0.03, 2, 16)),
    columns=_chinchilla_columns,
    join=lambda shapes, scales: np.concatenate([scales[:, :1], _log(scales[:, 1:]), shapes], axis=1),
)


# --- a + b x^-c0 (1 + (x/d1)^(1/f1))^(-c1 f1) (Caballero et al. 2022, one break) --------------------------------------


def _break(place: Array, width: Array, logs: Array) -> tuple[Array, Array, Array]:
    """The distance beyond the break, the bend f1 log(1 + (x/d1)^(1/f1)), and its slope: 0 before the break, 1 after."""
    beyond = logs - place
    ratio = beyond / width
    slope = 1 / (1 + np.exp(-np.clip(ratio, -500, 500)))
    # logaddexp: exp of a large ratio would overflow
    return beyond, width * np.logaddexp(0, ratio), slope


def _broken(theta: Array, x: Array) -> tuple[Array, Array]:
    logs = np.log(x[:, 0])
    c0, c1 = theta[:, 2:3], theta[:, 3:4]
    beyond, bend, slope = _break(theta[:, 4:5], np.exp(theta[:, 5:6]), logs)
    with np.errstate(over="ignore"):
        term = np.exp(np.minimum(theta[:, 1:2] - c0 * logs - c1 * bend, 700))
    slopes = [np.ones_like(term), term, -term * logs, -term * bend, term * c1 * slope]
    slopes.append(-term * c1 * (bend - slope * beyond))
    return theta[:, :1] + term, np.stack(slopes, axis=2)


def _broken_bounds(x: Array) -> tuple[Array, Array]:
    low, high = np.log(x[:, 0].min()), np.log(x[:, 0].max())
    return np.array([0, -700, -10, -10, low, np.log(0.02)]), np.array([NO_BOUND, 700, 10, 10, high, np.log(10)])


def _broken_shapes(x: Array) -> Array:
    places = np.quantile(np.log(np.unique(x[:, 0])), np.linspace(0.15, 0.85, 8))
    before, after = np.array([-0.1, 0, 0.05, 0.1, 0.2, 0.4, 0.8]), np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
    grid = _grid(before, after, places, np.log([0.05, 0.3, 1.0]))
    grid[:, 1] -= grid[:, 0]  # the grid has exponents before and after the break; c1 is their difference
    return grid


def _broken_columns(shapes: Array, x: Array) -> Array:
    logs = np.log(x[:, 0])
    _, bend, _ = _break(shapes[:, 2:3], np.exp(shapes[:, 3:4]), logs)
    term = np.exp(-shapes[:, :1] * logs - shapes[:, 1:2] * bend)
    return np.stack([np.ones_like(term), term], axis=2)


BROKEN = Form(
    name="broken",
    formula="a + b C^-c0 (1 + (C/d1)^(1/f1))^(-c1 f1)",
    inputs=("compute",),
    constants=("a", "b", "c0", "c1", "d1", "f1"),
    logs=(False, True, False, False, True, True),
    curve=_broken,
    bounds=_broken_bounds,
    shapes=_broken_shapes,
    columns=_broken_columns,
    join=lambda shapes, scales: np.concatenate([scales[:, :1], _log(scales[:, 1:]), shapes], axis=1),
)


# --- accuracy by loss: floor + (ceiling - floor) / (1 + exp(k (L - L0))) ---------------------------------------------


def _fallen(shapes: Array, x: Array) -> tuple[Array, Array, Array]:
    """The share of the way from the floor to the ceiling (batch, points), and k and L0 as columns (batch, 1)."""
    steepness, middle = np.exp(shapes[:, :1]), shapes[:, 1:2]
    return 1 / (1 + np.exp(np.clip(steepness * (x[:, 0] - middle), -500, 500))), steepness, middle


def _sigmoid(theta: Array, x: Array) -> tuple[Array, Array]:
    floor, ceiling = theta[:, :1], theta[:, 1:2]
    share, steepness, middle = _fallen(theta[:, 2:4], x)
    steep = (ceiling - floor) * share * (1 - share)
    slopes = np.stack([1 - share, share, -steep * steepness * (x[:, 0] - middle), steep * steepness], axis=2)
    return floor + (ceiling - floor) * share, slopes


def _sigmoid_columns(shapes: Array, x: Array) -> Array:
    share, _, _ = _fallen(shapes, x)
    return np.stack([1 - share, share], axis=2)


def _sigmoid_bounds(x: Array) -> tuple[Array, Array]:
    low, high = x[:, 0].min(), x[:, 0].max()
    reach = max(high - low, 1e-12)
    return np.array([0, 0, np.log(0.05 / reach), low - 2 * reach]), np.array(
        [1, 1, np.log(500 / reach), high + 2 * reach]
    )


def _sigmoid_shapes(x: Array) -> Array:
    low, high = x[:, 0].min(), x[:, 0].max()
    reach = max(high - low, 1e-12)
    return _grid(np.log(np.geomspace(0.5, 60, 16) / reach), np.linspace(low - reach / 2, high + reach / 2, 21))


SIGMOID = Form(
    name="sigmoid",
    formula="floor + (ceiling - floor) / (1 + exp(k (L - L0)))",
    inputs=("loss",),
    constants=("floor", "ceiling", "k", "L0"),
    logs=(False, False, True, False),
    curve=_sigmoid,
    bounds=_sigmoid_bounds,
    shapes=_sigmoid_shapes,
    columns=_sigmoid_columns,
    join=lambda shapes, scales: np.concatenate([scales, shapes], axis=1),
)

# not SIGMOID, which is no law of compute: only a second step fits it
FORMS = {form.name: form for form in (POWER, SHIFTED, CHINCHILLA, BROKEN)}

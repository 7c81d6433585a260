"""The best constants of a law, for many weightings of the same points at once.

A batch is a bootstrap, a set of starts or a profile: many weightings or starts, solved together by the
Levenberg-Marquardt method with analytic slopes. Starts come from variable projection: given the shapes (exponents), the
scales are a nonnegative least squares problem.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from analysis.laws.forms import Array, Form

ITERATIONS = 300
DAMPING, LEAST = 1e-3, 1e-9  # initial and smallest damping
TINY = 1e-100  # smallest value of a curve: its logarithm and the square of its inverse are finite
THINNED = 500  # points that are enough to find starts
CHUNK = 60_000  # slopes computed at a time: they fit into a core's cache


@dataclass(frozen=True)
class Objective:
    """What is minimised: the sum of weight x loss(residual), with residuals of y or of log y (`scale`).

    The Huber loss is r^2 / 2 up to `delta` and linear beyond; with an infinite delta it is least squares.
    """

    delta: float = 1e-3
    scale: Literal["log", "value"] = "log"

    def loss(self, residual: Array) -> Array:
        size = np.abs(residual)
        inside = np.minimum(size, self.delta)
        return inside * (size - inside / 2)

    def pull(self, residual: Array) -> Array:
        """The loss's slope divided by the residual: the weights of reweighted least squares."""
        # at a residual of 0 the quotient is infinite, and the 1 beside it is right
        with np.errstate(divide="ignore"):
            return np.minimum(1.0, self.delta / np.abs(residual))

    def on_scale(self, y: Array) -> Array:
        return np.log(y) if self.scale == "log" else y

    def off_scale(self, t: Array) -> Array:
        return np.exp(t) if self.scale == "log" else t


@dataclass(frozen=True)
class Problem:
    """A form to be fitted to points: x (points, inputs), t (points) = y on the objective's scale; limits of theta."""

    form: Form
    objective: Objective
    x: Array
    t: Array
    low: Array
    high: Array

    def curve(self, theta: Array) -> tuple[Array, Array]:
        """The law on the objective's scale (batch, points), and its slopes by theta."""
        value, slopes = self.form.curve(theta, self.x)
        if self.objective.scale == "value":
            return value, slopes
        value = np.maximum(value, TINY)  # a curve may underflow to 0, whose logarithm is infinite
        with np.errstate(invalid="ignore"):  # infinity over infinity, where the cost is infinite and nothing is used
            return np.log(value), slopes / value[:, :, None]

    def cost(self, theta: Array, weights: Array) -> Array:
        """(batch,) the objective; infinite where the law is not finite."""
        return self._cost(self.curve(theta)[0], weights)

    def _cost(self, curve: Array, weights: Array) -> Array:
        cost = (weights * self.objective.loss(self.t - curve)).sum(axis=1)
        return np.where(np.isfinite(cost), cost, np.inf)


def solve(problem: Problem, weights: Array, start: Array, held: Array | None = None) -> tuple[Array, Array]:
    """Theta (batch, constants) and cost (batch,) of a local minimum, from `start`, for each row of `weights`.

    `weights` is (batch, points), `start` (batch, constants); `held` (batch, constants) marks constants that stay at
    their start. Limits are kept by projection.
    """
    held = np.zeros(start.shape, bool) if held is None else held
    # the batch is solved in chunks: slopes of all rows at once would fall out of the cache
    size = max(1, CHUNK // (problem.x.shape[0] * start.shape[1]))
    parts = [
        _solve(problem, weights[i : i + size], start[i : i + size], held[i : i + size])
        for i in range(0, len(start), size)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _solve(problem: Problem, weights: Array, start: Array, held: Array) -> tuple[Array, Array]:
    theta = np.clip(start, problem.low, problem.high)
    theta = np.where(held, start, theta)
    curve, slopes = problem.curve(theta)
    cost = problem._cost(curve, weights)
    damping, still = np.full(len(theta), DAMPING), np.zeros(len(theta), int)
    # a fall of the cost that counts as none: residuals of 1e-8 of the largest |t|, for fits that are exact
    nothing = weights.sum(axis=1) * problem.objective.loss(np.array(1e-8 * (np.abs(problem.t).max() or 1.0)))
    live = np.flatnonzero(np.isfinite(cost))  # the rows of the batch that are not solved yet
    for _ in range(ITERATIONS):
        if not live.size:
            break
        step = _step(problem, theta[live], curve[live], slopes[live], weights[live], held[live], damping[live])
        tried = np.where(held[live], theta[live], np.clip(theta[live] + step, problem.low, problem.high))
        new_curve, new_slopes = problem.curve(tried)
        new = problem._cost(new_curve, weights[live])
        better = new < cost[live]
        small = cost[live] - new < 1e-9 * cost[live] + nothing[live]
        won = live[better]
        theta[won], curve[won], slopes[won] = tried[better], new_curve[better], new_slopes[better]
        still[live] = np.where(better & ~small, 0, still[live] + 1)
        damping[live] = np.where(better, damping[live] / 8, damping[live] * 6).clip(LEAST, 1e14)
        cost[won] = new[better]
        # a row is solved after six steps in a row without progress, or when no damping makes a step that helps
        live = live[(still[live] < 6) & (damping[live] < 1e12)]
    return theta, cost


def _step(
    problem: Problem, theta: Array, curve: Array, slopes: Array, weights: Array, held: Array, damping: Array
) -> Array:
    """A damped step (batch, constants); constants that are held, or at a limit and pushed against it, do not move.

    While damping is large, the linear part of the Huber loss has the curvature of reweighted least squares, which is
    safe; it falls with the damping down to that of Newton's step, 0, which is fast near the minimum.
    """
    residual = problem.t - curve
    pull = problem.objective.pull(residual)
    bend = np.where(pull < 1, pull * np.minimum(1, damping[:, None] / DAMPING), 1.0)
    normal = np.swapaxes(slopes * (weights * bend)[:, :, None], 1, 2) @ slopes
    downhill = np.einsum("bnp,bn->bp", slopes, weights * pull * residual)
    fixed = held | ((theta <= problem.low) & (downhill < 0)) | ((theta >= problem.high) & (downhill > 0))
    diagonal = np.einsum("bpp->bp", normal).copy()
    # scaled to a unit diagonal: theta mixes logarithms with exponents, whose curvatures differ by orders of magnitude
    scale = np.where(fixed | ~(diagonal > 0), 1.0, np.sqrt(np.maximum(diagonal, 1e-300)))
    normal = np.where(fixed[:, :, None] | fixed[:, None, :], 0.0, normal) / scale[:, :, None] / scale[:, None, :]
    normal = np.nan_to_num(normal)
    index = np.arange(theta.shape[1])
    normal[:, index, index] = 1 + damping[:, None]
    right = np.nan_to_num(np.where(fixed, 0.0, downhill) / scale)
    return np.linalg.solve(normal, right[:, :, None])[:, :, 0] / scale


def projected(problem: Problem, weights: Array, keep: int = 64) -> Array:
    """Starts (starts, constants) by variable projection on the form's grid of shapes: at most `keep`, best first."""
    # starts need no precision: of very many points, some hundreds evenly spread are enough
    some = slice(None, None, -(-len(weights) // THINNED))
    problem, weights = replace(problem, x=problem.x[some], t=problem.t[some]), weights[some]
    y = problem.objective.off_scale(problem.t)
    shapes = problem.form.shapes(problem.x)
    columns = problem.form.columns(shapes, problem.x)
    # least squares of log y is, to first order, that of y with weights 1 / y^2
    relative = weights / y**2 if problem.objective.scale == "log" else weights
    # columns of steep powers differ by many orders of magnitude: scaled to 1, the small systems stay solvable
    size = np.maximum(columns.max(axis=1, keepdims=True), 1e-300)
    scales = nonnegative(columns / size, y, relative) / size[:, 0]
    theta = np.clip(problem.form.join(shapes, scales), problem.low, problem.high)
    cost = problem.cost(theta, np.broadcast_to(weights, (len(theta), len(weights))))
    return theta[np.argsort(cost, kind="stable")[:keep]]


def nonnegative(columns: Array, y: Array, weights: Array) -> Array:
    """Nonnegative least squares for many sets of a few columns: (sets, points, k) -> (sets, k), over all supports."""
    weighted = columns * weights[:, None]
    normal, right = np.swapaxes(weighted, 1, 2) @ columns, np.einsum("gnk,n->gk", weighted, y)
    best, gain = np.zeros(right.shape), np.zeros(len(right))
    for size in range(1, columns.shape[2] + 1):
        for support in combinations(range(columns.shape[2]), size):
            part = normal[:, support][:, :, support]
            # a tiny ridge keeps columns that are equal on these points solvable
            ridge = 1e-12 * np.einsum("gkk->g", part)[:, None, None] * np.eye(size)
            scales = np.linalg.solve(part + ridge + 1e-300 * np.eye(size), right[:, support, None])[:, :, 0]
            explained = (scales * right[:, support]).sum(axis=1)
            better = (scales >= 0).all(axis=1) & (explained > gain)
            gain = np.where(better, explained, gain)
            padded = np.zeros(right.shape)
            padded[:, support] = scales
            best = np.where(better[:, None], padded, best)
    return best


def minimum(problem: Problem, weights: Array, starts: Array) -> tuple[Array, float]:
    """The best of the local minima from all starts: theta (constants,) and its cost."""
    theta, cost = solve(problem, np.broadcast_to(weights, (len(starts), len(weights))), starts)
    best = int(np.argmin(cost))
    return theta[best], float(cost[best])

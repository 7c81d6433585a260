"""Where labels go in a figure so that they cover neither each other nor the points. All sizes in pixels."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

CHARACTER, LINE = 6.3, 12.5  # width and height of a character at the labels' size, 11.5 px


@dataclass(frozen=True)
class Box:
    """A rectangle around its centre."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        near_x = abs(self.x - other.x) * 2 < self.width + other.width
        return near_x and abs(self.y - other.y) * 2 < self.height + other.height

    def inside(self, width: float, height: float) -> bool:
        in_x = self.width / 2 <= self.x <= width - self.width / 2
        return in_x and self.height / 2 <= self.y <= height - self.height / 2


def place(
    points: list[tuple[float, float, str]],
    size: tuple[float, float],
    bars: list[Box],
    lines: list[list[tuple[float, float]]],
) -> list[Box | None]:
    """A box for the text of every point, near it, or None where there is no room.

    Never over a point, another label, an error bar (`bars`) or the panel's edge, never nearer to another point than to
    its own; over one of `lines` only if it must.
    """
    own = np.array([(x, y) for x, y, _ in points]).reshape(-1, 2)
    taken = _table([Box(x, y, 11, 11) for x, y, _ in points] + bars)
    along = _table([sample for line in lines for sample in _samples(line)])
    placed: list[Box | None] = []
    for (x, y, text), point in zip(points, own, strict=True):
        boxes = [box for box in _candidates(x, y, text) if box.inside(*size)]
        made = _table(boxes)
        free = np.flatnonzero(~_overlaps(made, taken).any(axis=1) & ~_claimed(made, point, own))
        if not len(free):
            placed.append(None)
            continue
        best = free[_overlaps(made[free], along).sum(axis=1).argmin()]
        placed.append(boxes[best])
        taken = np.concatenate([taken, made[best : best + 1]])
    return placed


def _table(boxes: list[Box]) -> Any:
    """(boxes, 4), so that one box is held against thousands at once."""
    return np.array([(box.x, box.y, box.width, box.height) for box in boxes], float).reshape(-1, 4)


def _overlaps(boxes: Any, others: Any) -> Any:
    """(boxes, others) of `_table`: `Box.overlaps` of each with each."""
    x, y, width, height = ((boxes[:, None, i], others[None, :, i]) for i in range(4))
    near_x = np.abs(x[0] - x[1]) * 2 < width[0] + width[1]
    return near_x & (np.abs(y[0] - y[1]) * 2 < height[0] + height[1])


def spread(places: list[float], gap: float, high: float) -> list[float]:
    """Places along an axis moved as little as need be so that they are `gap` apart, in their order, within [0, high].

    Least squares: of places that come too near each other the middle stays (pool adjacent violators).
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    pools: list[list[float]] = []  # the wished places, less the room that those before them take
    for rank, i in enumerate(order):
        pools.append([places[i] - rank * gap])
        while len(pools) > 1 and _middle(pools[-2]) > _middle(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    flat = [_middle(pool) for pool in pools for _ in pool]
    room = max(high - (len(places) - 1) * gap, 0.0)
    moved = dict(zip(order, (min(max(place, 0.0), room) + rank * gap for rank, place in enumerate(flat)), strict=True))
    return [moved[i] for i in range(len(places))]


def _middle(values: list[float]) -> float:
    return sum(values) / len(values)


def _claimed(boxes: Any, own: Any, points: Any) -> Any:
    """(boxes,) whether a reader could take the label at `own` for that of another of the `points`."""
    near = np.hypot(*np.moveaxis(_beyond(boxes, own[None]), 2, 0)) + 3
    others = points[(points != own).any(axis=1)]
    return (np.hypot(*np.moveaxis(_beyond(boxes, others), 2, 0)) < near).any(axis=1)


def _beyond(boxes: Any, points: Any) -> Any:
    """(boxes, points, 2): how far each point is from a box's edges; 0 between them."""
    return np.maximum(np.abs(boxes[:, None, :2] - points[None]) - boxes[:, None, 2:] / 2, 0.0)


def _candidates(x: float, y: float, text: str) -> list[Box]:
    width = len(text) * CHARACTER + 2
    side, up = width / 2 + 8, LINE
    offsets = [(0, -up - 1), (0, up + 1), (side, 0), (-side, 0)]
    offsets += [(dx * side * 0.9, dy * up * 0.8) for dx in (1, -1) for dy in (-1, 1)]
    offsets += [(dx * side * 0.5, dy * up * far) for far in (1.2, 1.8) for dx in (1, -1) for dy in (-1, 1)]
    offsets += [(dx * side * 0.9, dy * up * 1.5) for dx in (1, -1) for dy in (-1, 1)]
    return [Box(x + dx, y + dy, width, LINE) for dx, dy in offsets]


def _samples(line: list[tuple[float, float]]) -> list[Box]:
    """Small boxes along a line of several points."""
    made = []
    for (x0, y0), (x1, y1) in pairwise(line):
        count = max(int(max(abs(x1 - x0), abs(y1 - y0)) / 5), 1)
        made += [Box(x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count, 1, 1) for i in range(count + 1)]
    return made

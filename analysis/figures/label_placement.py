"""Where the labels of a figure go so that they cover neither each other nor the points. All sizes are in pixels."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

CHARACTER, LINE = 6.3, 12.5  # mean width and height of a character at `style.LABEL_SIZE`


@dataclass(frozen=True)
class Box:
    """A rectangle, by its centre."""

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
    """A box for the text of each point (x, y, text), or None where there is no room near it.

    A label never covers a point, another label, an error bar (`bars`) or the panel's edge (`size`), and is never nearer
    to another point than to its own. Of the places that are left, the one over the fewest `lines` is taken.
    """
    own = np.array([(x, y) for x, y, _ in points]).reshape(-1, 2)
    taken = _table([Box(x, y, 11, 11) for x, y, _ in points] + bars)
    along = _table([sample for line in lines for sample in _samples(line)])
    placed: list[Box | None] = []
    for (x, y, text), point in zip(points, own, strict=True):
        boxes = [box for box in _candidates(x, y, text) if box.inside(*size)]
        table = _table(boxes)
        free = np.flatnonzero(~_overlaps(table, taken).any(axis=1) & ~_claimed(table, point, own))
        if not len(free):
            placed.append(None)
            continue
        best = free[_overlaps(table[free], along).sum(axis=1).argmin()]
        placed.append(boxes[best])
        taken = np.concatenate([taken, table[best : best + 1]])
    return placed


def _table(boxes: list[Box]) -> Any:
    """Boxes as an array (boxes, 4) of x, y, width, height, so that one is compared with thousands at once."""
    return np.array([(box.x, box.y, box.width, box.height) for box in boxes], float).reshape(-1, 4)


def _overlaps(boxes: Any, others: Any) -> Any:
    """(boxes, others) whether each box of one table overlaps each of the other, as `Box.overlaps` does."""
    x, y, width, height = ((boxes[:, None, i], others[None, :, i]) for i in range(4))
    near_x = np.abs(x[0] - x[1]) * 2 < width[0] + width[1]
    return near_x & (np.abs(y[0] - y[1]) * 2 < height[0] + height[1])


def spread(places: list[float], gap: float, high: float) -> list[float]:
    """Places along an axis, moved as little as possible to be `gap` apart, in the same order, within [0, high].

    The sum of squared moves is least: isotonic regression by pooling adjacent violators, so that a group of places that
    are too near each other keeps its middle.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    pools: list[list[float]] = []  # the places, less the room that those before them take
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
    """(boxes,) whether a reader could take the label of the point `own` for that of another of `points`."""
    near = np.hypot(*np.moveaxis(_beyond(boxes, own[None]), 2, 0)) + 3
    others = points[(points != own).any(axis=1)]
    return (np.hypot(*np.moveaxis(_beyond(boxes, others), 2, 0)) < near).any(axis=1)


def _beyond(boxes: Any, points: Any) -> Any:
    """(boxes, points, 2): how far each point is outside a box in x and y; 0 inside."""
    return np.maximum(np.abs(boxes[:, None, :2] - points[None]) - boxes[:, None, 2:] / 2, 0.0)


def _candidates(x: float, y: float, text: str) -> list[Box]:
    """Boxes around a point, the preferred ones first: above, below, beside, then the diagonals."""
    width = len(text) * CHARACTER + 2
    side, up = width / 2 + 8, LINE
    offsets = [(0, -up - 1), (0, up + 1), (side, 0), (-side, 0)]
    offsets += [(dx * side * 0.9, dy * up * 0.8) for dx in (1, -1) for dy in (-1, 1)]
    offsets += [(dx * side * 0.5, dy * up * far) for far in (1.2, 1.8) for dx in (1, -1) for dy in (-1, 1)]
    offsets += [(dx * side * 0.9, dy * up * 1.5) for dx in (1, -1) for dy in (-1, 1)]
    offsets += [(dx * side, dy * up * far) for far in (0.8, 1.5, 2.2) for dx in (1, -1) for dy in (-1, 1)]
    return [Box(x + dx, y + dy, width, LINE) for dx, dy in offsets]


def _samples(line: list[tuple[float, float]]) -> list[Box]:
    """Small boxes every 5 pixels along a line through several points."""
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(line):
        count = max(int(max(abs(x1 - x0), abs(y1 - y0)) / 5), 1)
        boxes += [Box(x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count, 1, 1) for i in range(count + 1)]
    return boxes

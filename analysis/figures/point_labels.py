"""The names of a panel's points: beside them, or where there is no room by a number and in the panel's key."""

import math
from dataclasses import dataclass
from typing import Any

from analysis.figures import label_placement as labels
from analysis.figures import style

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Panel:
    """Ranges of a panel's axes (x is logarithmic) and its size in px."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        across = math.log(x / self.x[0]) / math.log(self.x[1] / self.x[0])
        return across * self.width, (self.y[1] - y) / (self.y[1] - self.y[0]) * self.height

    def units(self, px: float, py: float) -> dict[str, float]:
        x = self.x[0] * math.exp(px / self.width * math.log(self.x[1] / self.x[0]))
        return {"x": x, "y": self.y[1] - py / self.height * (self.y[1] - self.y[0])}


def labelled(records: Records, lines: list[list[tuple[float, float]]], panel: Panel) -> tuple[Any, list[str]]:
    """The labels of points (`compute`, `percent`, `low`, `label`, `family`), and the lines of the key if one is needed.

    Labels are placed in pixels, where text has a size, then converted to the axes' units; `lines` are in these units.
    """
    points = [(*panel.pixels(row["compute"], row["percent"]), row["label"]) for row in records]
    bars = [
        labels.Box(px, py, 3, abs(panel.pixels(row["compute"], row["low"])[1] - py) * 2)
        for row, (px, py, _) in zip(records, points, strict=True)
    ]
    drawn = [[panel.pixels(*point) for point in line] for line in lines]
    size = (panel.width, panel.height)
    boxes = labels.place(points, size, bars, drawn)
    # where there is no room for a name there may be some for a number; if not, it stands over or under the point
    numbers = {place: str(number + 1) for number, place in enumerate(i for i, box in enumerate(boxes) if box is None)}
    taken = [*bars, *(box for box in boxes if box is not None), *(labels.Box(x, y, 11, 11) for x, y, _ in points)]
    small = labels.place([(*points[place][:2], text) for place, text in numbers.items()], size, taken, drawn)
    for number, (place, box) in enumerate(zip(numbers, small, strict=True)):
        px, py, _ = points[place]
        boxes[place] = box or labels.Box(px, py + (labels.LINE if number % 2 else -labels.LINE), 0, 0)
    texts = [
        panel.units(box.x, box.y)
        | {"text": numbers.get(place, row["label"]), "colour": style.text_colour(row["family"])}
        for place, (row, box) in enumerate(zip(records, boxes, strict=True))
        if box is not None
    ]
    key = [f"{number} {records[place]['label']}" for place, number in numbers.items()]
    return style.texts(texts), _wrapped(key, panel.width)


def _wrapped(key: list[str], width: int) -> list[str]:
    """The key in lines of a panel's width; no name is broken."""
    lines: list[str] = []
    for text in key:
        longer = f"{lines[-1]}, {text}" if lines else text
        if lines and len(longer) * labels.CHARACTER <= width:
            lines[-1] = longer
        else:
            lines.append(text)
    return lines

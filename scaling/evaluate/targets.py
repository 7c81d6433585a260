"""Which of a classifier's classes are right for each image: by the data's labels, by ReaL's, by a mapping of classes.

ImageNet-ReaL (Beyer et al. 2020): a JSON list with a list of classes for every image of the validation set, in its
order; any of them is right, and images without one are left out. ObjectNet (Barbu et al. 2019) and other sets with
classes of their own: a JSON object (or list) from the set's class to the classifier's classes that mean the same; the
classifier chooses among those classes alone, and images of other classes are left out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.checks import check
from scaling.data.sources import Labels, MultiLabels, highest_label, multi_labels, read_text, single_labels


@dataclass(frozen=True, eq=False)
class Truth:
    """The classifier's right classes of every image [N], by the images that are judged, and what it may choose."""

    right: MultiLabels
    judged: np.ndarray  # int64 [n]: images that have a right class
    allowed: np.ndarray | None  # int64: classes to choose from; None: all of them


def by_labels(labels: Labels, num_classes: int) -> Truth:
    """The data's own labels; of several, any is right. Raises ValueError for a label that the classifier has not."""
    top = highest_label(labels)
    check(
        top < num_classes,
        f"the data have label {top}, and the classifier {num_classes} classes: give --classes, a mapping of them",
    )
    if isinstance(labels, MultiLabels):
        return _truth(labels.values, np.diff(labels.offsets), num_classes, None)
    return _truth(labels, np.ones(len(labels), np.int64), num_classes, None)


def by_lists(path: str, count: int, num_classes: int) -> Truth:
    """ReaL's labels for `count` images. Raises ValueError for a file of another form or length."""
    lists = _json(path, "labels")
    check(isinstance(lists, list), f"labels {path} must be a JSON list with a list of classes for every image")
    check(len(lists) == count, f"labels {path} are of {len(lists)} images, the data have {count}")
    made = [_classes(item, num_classes, f"image {i} of {path}") for i, item in enumerate(lists)]
    return _joined(made, num_classes, None)


def by_mapping(path: str, labels: Labels, num_classes: int) -> Truth:
    """A class mapping for images with these labels. Raises ValueError for a file of another form."""
    mapping = _json(path, "class mapping")
    if isinstance(mapping, list):
        mapping = dict(enumerate(mapping))
    check(isinstance(mapping, dict), f"class mapping {path} must be a JSON object from a class to a list of classes")
    right = {}
    for key, item in mapping.items():
        check(str(key).isdecimal(), f"class mapping {path} has the class {key!r}, which is no number")
        right[int(key)] = _classes(item, num_classes, f"class {key} of {path}")
    allowed = np.unique(np.array([c for some in right.values() for c in some], np.int64))
    check(len(allowed) > 0, f"class mapping {path} maps no class")
    made = [right.get(label, []) for label in single_labels(labels, "a class mapping").tolist()]
    return _joined(made, num_classes, allowed)


def _joined(lists: Sequence[Sequence[int]], num_classes: int, allowed: np.ndarray | None) -> Truth:
    values = np.array([c for some in lists for c in some], np.int64)
    return _truth(values, np.array([len(some) for some in lists], np.int64), num_classes, allowed)


def _truth(values: np.ndarray, counts: np.ndarray, num_classes: int, allowed: np.ndarray | None) -> Truth:
    judged = np.flatnonzero(counts)
    check(len(judged) > 0, "no image has a right class: nothing is left to evaluate")
    return Truth(multi_labels(values, counts, [""] * num_classes), judged, allowed)


def _json(path: str, what: str) -> Any:
    try:
        return json.loads(read_text(path, what))
    except json.JSONDecodeError as error:
        raise ValueError(f"{what} {path} are no JSON: {error}") from None


def _classes(item: Any, num_classes: int, where: str) -> list[int]:
    """A list of classes, or one."""
    some: Iterable[Any] = item if isinstance(item, list) else [item]
    made = list(dict.fromkeys(some))
    for value in made:
        whole = isinstance(value, int) and not isinstance(value, bool)
        check(
            whole and 0 <= value < num_classes,
            f"{where} has {value!r}, and the classifier's classes are 0 to {num_classes - 1}",
        )
    return made

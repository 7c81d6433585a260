"""Which of a classifier's classes are right for an image: by the data's labels, by ReaL's, or by a mapping of classes.

ImageNet-ReaL (Beyer et al. 2020): a JSON list with one list of classes for each image of the validation set, in its
order; each of them is right, and images without any are left out. ObjectNet (Barbu et al. 2019) and other sets with
classes of their own: a JSON object (or list) from a class of the set to the classifier's classes with that meaning. The
classifier then predicts among the mapped classes only, and images of other classes are left out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.checks import check
from scaling.data.sources import (
    Labels,
    MultiLabels,
    Names,
    aligned,
    highest_label,
    multi_labels,
    read_text,
    single_labels,
)


@dataclass(frozen=True, eq=False)
class Targets:
    """The right classes of N images, for an evaluation of a classifier."""

    right: MultiLabels  # the classifier's right classes of all N images
    evaluated: np.ndarray  # int64 [n]: images that have a right class; the others are left out
    allowed: np.ndarray | None  # int64: classes that may be predicted; None: all of them


def by_labels(labels: Labels, num_classes: int, names: Names = None, known: Names = None) -> Targets:
    """The data's own labels, each of several being right.

    The data's classes `names` are the classifier's `known` ones of the same name; where one of the two has no names,
    numbers mean the same in both. Raises ValueError, naming them, for classes that the classifier lacks.
    """
    try:
        labels = aligned(labels, names, known, "the data's classes", "classes of the classifier")
    except ValueError as error:
        raise ValueError(f"{error}: call them alike, or give a mapping, --classes") from None
    highest = highest_label(labels)
    check(
        highest < num_classes,
        f"the data have label {highest}, but the classifier only {num_classes} classes: give a mapping, --classes",
    )
    if isinstance(labels, MultiLabels):
        return _targets(labels.values, np.diff(labels.offsets), num_classes, None)
    return _targets(labels, np.ones(len(labels), np.int64), num_classes, None)


def by_lists(path: str, count: int, num_classes: int) -> Targets:
    """ReaL's labels of `count` images, from a JSON file. Raises ValueError for another form or length."""
    lists = _json(path, "labels")
    check(isinstance(lists, list), f"labels {path} must be a JSON list with a list of classes for every image")
    check(len(lists) == count, f"labels {path} must be of the {count} images of the data, are of {len(lists)}")
    classes = [_classes(item, num_classes, f"image {i} of {path}") for i, item in enumerate(lists)]
    return _from_lists(classes, num_classes, None)


def by_mapping(path: str, labels: Labels, num_classes: int) -> Targets:
    """The targets of images with these labels, through the class mapping of a JSON file.

    Raises ValueError for a file of another form.
    """
    mapping = _json(path, "class mapping")
    if isinstance(mapping, list):
        mapping = dict(enumerate(mapping))
    check(isinstance(mapping, dict), f"class mapping {path} must be a JSON object from a class to a list of classes")
    right = {}
    for key, item in mapping.items():
        check(str(key).isdecimal(), f"classes of the class mapping {path} must be numbers, got {key!r}")
        right[int(key)] = _classes(item, num_classes, f"class {key} of {path}")
    allowed = np.unique(np.array([c for classes in right.values() for c in classes], np.int64))
    check(len(allowed) > 0, f"class mapping {path} maps no class")
    by_image = [right.get(label, []) for label in single_labels(labels, "a class mapping").tolist()]
    return _from_lists(by_image, num_classes, allowed)


def _from_lists(lists: Sequence[Sequence[int]], num_classes: int, allowed: np.ndarray | None) -> Targets:
    values = np.array([c for classes in lists for c in classes], np.int64)
    return _targets(values, np.array([len(classes) for classes in lists], np.int64), num_classes, allowed)


def _targets(values: np.ndarray, counts: np.ndarray, num_classes: int, allowed: np.ndarray | None) -> Targets:
    evaluated = np.flatnonzero(counts)
    check(len(evaluated) > 0, "no image has a right class: nothing is left to evaluate")
    return Targets(multi_labels(values, counts, [""] * num_classes), evaluated, allowed)


def _json(path: str, kind: str) -> Any:
    try:
        return json.loads(read_text(path, kind))
    except json.JSONDecodeError as error:
        raise ValueError(f"{kind} {path} must be JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{kind} {path} must be JSON: it is nested too deeply") from None


def _classes(item: Any, num_classes: int, where: str) -> list[int]:
    """The classes of an entry, a list of them or a single one, each once."""
    entries: Iterable[Any] = item if isinstance(item, list) else [item]
    classes = list(dict.fromkeys(entries))
    for value in classes:
        whole = isinstance(value, int) and not isinstance(value, bool)  # Python has True == 1
        check(
            whole and 0 <= value < num_classes,
            f"{where} has {value!r}, but the classifier's classes are 0 to {num_classes - 1}",
        )
    return classes

"""Right classes from labels, ReaL lists and class mappings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.data.sources.labels import multi_labels
from scaling.evaluate.targets import by_labels, by_lists, by_mapping


def written(path: Path, value: Any) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_labels_one_or_several() -> None:
    targets = by_labels(np.array([2, 0]), 3)
    assert targets.right[np.array([0, 1])].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert (targets.evaluated.tolist(), targets.allowed) == ([0, 1], None)
    several = by_labels(multi_labels(np.array([0, 2]), np.array([2, 0]), None), 4)
    assert several.right[np.array([0])].tolist() == [[1, 0, 1, 0]]
    assert several.evaluated.tolist() == [0]


def test_real_leaves_images_without_a_label_out(tmp_path: Path) -> None:
    targets = by_lists(written(tmp_path / "real.json", [[1, 1, 3], [], [0]]), 3, 4)
    assert targets.evaluated.tolist() == [0, 2]
    assert targets.right[targets.evaluated].tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]


@pytest.mark.parametrize("mapping", [{"0": [5, 1], "2": 4}, [[5, 1], [], 4]])
def test_a_mapping_names_what_may_be_chosen(tmp_path: Path, mapping: Any) -> None:
    targets = by_mapping(written(tmp_path / "map.json", mapping), np.array([2, 1, 0]), 6)
    assert targets.evaluated.tolist() == [0, 2]  # class 1 means none of the classifier's
    assert targets.allowed is not None
    assert targets.allowed.tolist() == [1, 4, 5]
    assert targets.right[targets.evaluated].tolist() == [[0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "must be JSON"),
        ({"0": [1]}, "must be a JSON list"),
        ([[0]], "must be of the 2 images of the data, are of 1"),
        ([[0], [9]], r"image 1 of .* has 9, but the classifier's classes are 0 to 3"),
        ([[0], ["cat"]], "has 'cat'"),
        ([[], []], "no image has a right class"),
    ],
)
def test_lists_of_another_form(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_lists(written(tmp_path / "x.json", value), 2, 4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "must be a JSON object"),
        ({"cat": [1]}, "must be numbers, got 'cat'"),
        ({"0": [True]}, "has True"),
        ({"0": []}, "maps no class"),
        ({"7": [1]}, "no image has a right class"),
    ],
)
def test_mappings_of_another_form(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_mapping(written(tmp_path / "x.json", value), np.array([0, 1]), 4)


def test_labels_beyond_the_classifier_ask_for_a_mapping() -> None:
    with pytest.raises(ValueError, match="label 7, but the classifier only 4 classes: give a mapping, --classes"):
        by_labels(np.array([7]), 4)
    with pytest.raises(ValueError, match="cannot read the labels"):
        by_lists("/no/such.json", 1, 4)

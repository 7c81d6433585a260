"""Labels of sets that meet are joined by the names of their classes, or refused with these."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data.sources.classes import aligned, are_numbers, check_one_split, class_numbers, listed, of_splits
from scaling.data.sources.labels import MultiLabels, multi_labels

PETS = ["cat", "dog", "horse", "sheep"]
NAMES = st.lists(st.text("abcdé0123", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


def joined(labels: list[int], names: list[str] | None, to: list[str] | None) -> list[int]:
    found = aligned(np.array(labels), names, to, "test classes", "training classes")
    assert isinstance(found, np.ndarray)
    return [int(label) for label in found]


@given(NAMES, st.randoms(use_true_random=False), st.integers(1, 12))
def test_labels_keep_their_names_in_any_order_and_in_part(to: list[str], random: object, count: int) -> None:
    names = to.copy()
    random.shuffle(names)  # type: ignore[attr-defined]
    names = names[:count]
    found = joined(list(range(len(names))), names, to)
    if are_numbers(names) and are_numbers(to):
        return
    assert [to[label] for label in found] == names


def test_what_has_no_names_counts() -> None:
    assert joined([0, 2], None, PETS) == [0, 2]
    assert joined([0, 2], PETS, None) == [0, 2]
    assert joined([0, 2], ["0", "1", "2"], PETS) == [0, 2]
    assert joined([1, 11], [str(i) for i in range(12)], [f"{i:02d}" for i in range(12)]) == [1, 11]
    assert class_numbers(PETS[:2], PETS) is None


def test_numbers_are_names_where_the_other_set_has_them_as_names() -> None:
    assert joined([1, 3], ["0", "1", "2", "3"], ["1", "2", "3", "background"]) == [0, 2]
    assert joined([0, 9], [str(i) for i in range(10)], [str(i) for i in reversed(range(10))]) == [9, 0]


def test_letters_with_accents_are_one_name_in_both_of_their_forms() -> None:
    names = ["cat", unicodedata.normalize("NFD", "écureuil")]
    assert joined([0, 1], names, ["écureuil", "cat"]) == [1, 0]


def test_labels_of_several_classes_are_joined_too() -> None:
    labels = multi_labels(np.array([0, 1, 1]), np.array([2, 1]), ["dog", "cat"])
    found = aligned(labels, ["dog", "cat"], PETS, "test classes", "training classes")
    assert isinstance(found, MultiLabels)
    assert found[np.arange(2)].tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]


def test_classes_that_do_not_fit_are_named() -> None:
    for labels, names, to, message in [
        ([0, 1], ["wolf", "dog"], PETS, "test classes 'wolf' are not among the 4 training classes: 'cat', 'dog'"),
        ([0], ["Cat"], PETS, "'Cat' are not among"),
        ([2], ["cat", "dog", "fish"], PETS[:2], "'fish' are not among the 2 training classes"),
        ([0], ["crane"], ["crane", "maillot", "crane"], "'crane' are each several of the 3"),
        ([3], ["dog", "cat"], PETS, "label 3, but only 2 names"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            joined(labels, names, to)
        assert "\n" not in str(caught.value)
    assert joined([0], ["dog", "wolf"], PETS) == [1]  # a class without an image needs no place


def test_long_lists_are_cut() -> None:
    assert listed(PETS) == "'cat', 'dog', 'horse', 'sheep'"
    assert listed([str(i) for i in range(1000)]) == "'0', '1', '2', '3', '4' and 995 more"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["test", "train"], True),
        (["Training", "val2017"], True),
        (["train"], True),
        (["train_set", "test_set", "annotations"], True),
        (["images-train", "labels"], False),
        (["bus", "train"], False),
        (["cat", "dog", "trainer", "validity"], False),
        (["train", "train2"], True),
        ([], False),
    ],
)
def test_names_of_splits_are_no_classes(names: list[str], expected: bool) -> None:
    assert of_splits(names) == expected


def test_files_of_one_split() -> None:
    for fine in (
        ["d/train-00000-of-00002.parquet", "d/train-00001-of-00002.parquet"],
        ["test.parquet", "more-test.parquet"],
        ["train.parquet", "latest.parquet", "contest-1.parquet"],
        ["train-of-test-1.parquet", "train-of-test-2.parquet"],
        ["test/train-0.tar"],
    ):
        check_one_split(fine, "parquet:d")
    for mixed in (["d/train-0.parquet", "d/test-0.parquet"], ["a_train.tar", "a_TEST.tar", "b.tar"]):
        with pytest.raises(ValueError, match=r"files of several splits, .*by a glob, such as (a_)?train[*-]"):
            check_one_split(mixed, "parquet:d")

"""Class names: what the numbers of labels mean. Where two sets meet, they are joined by name.

A list has the name of class i at i. Names that are the classes' own numbers ('0', '1', ...; '00' too) say no more than
the numbers: they are joined by name with lists that have some of them, and by number with any other.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from scaling.checks import check
from scaling.data.sources.labels import Labels, MultiLabels, numbers

Names = Sequence[str] | None
SHOWN = 5  # names in a message
UNKNOWN, AMBIGUOUS = -1, -2
SPLIT_NAME = re.compile(
    r"(?:(train|training)|(test|testing|val|valid|validation|dev|eval|evaluation|holdout))"
    r"(?:[ _.-]*(?:set|split|data|images?|\d+))*",
    re.IGNORECASE,
)

# As the Hugging Face hub finds splits in the names of files: a word between signs that are no letters or digits.
SPLIT_WORD = re.compile(r"(?:^|[^a-z0-9])(?:(train|training)|(test|testing))(?=[^a-z0-9]|$)")


def aligned(labels: Labels, names: Names, to: Names, what: str, known: str) -> Labels:
    """The labels of one set as class numbers of another set that it meets.

    Args:
        labels: of the images, as class numbers of their own set.
        names: that set's class names; None: it has none.
        to: the other set's class names. Where one of the two has none, numbers mean the same in both.
        what: the classes in messages, such as 'test classes'.
        known: the other set's in messages, such as 'training classes'.

    Raises ValueError, with the names, for classes of the images that the other set lacks.
    """
    mapping = class_numbers(names, to)
    if mapping is None:
        return labels
    assert names is not None
    assert to is not None
    values = numbers(labels)[0]
    used = np.unique(values)
    check(used.max(initial=-1) < len(names), f"{what}: label {used.max(initial=-1)}, but only {len(names)} names")
    for reason, why in ((UNKNOWN, "are not among"), (AMBIGUOUS, "are each several of")):
        if bad := [names[label] for label in used[mapping[used] == reason]]:
            raise ValueError(f"{what} {listed(bad)} {why} the {len(to)} {known}: {listed(to)}")
    if isinstance(labels, MultiLabels):
        return MultiLabels(mapping[values], labels.offsets, len(to))
    renumbered: np.ndarray = mapping[values]
    return renumbered


def class_numbers(names: Names, to: Names) -> np.ndarray | None:
    """The number that each class of `names` has in `to`, by name: int64 [len(names)].

    UNKNOWN where `to` lacks it, AMBIGUOUS where it has the name more than once. None where numbers mean the same in
    both: one of them has no names, or each of `names` is the name of its number in `to`.
    """
    if not names or not to:
        return None
    own, other = [_plain(name) for name in names], [_plain(name) for name in to]
    if own == other or (own == other[: len(own)] and not set(own) & set(other[len(own) :])):
        return None
    plain = [are_numbers(own), are_numbers(other)]
    if all(plain) or (any(plain) and not set(own) & set(other)):
        return None
    places: dict[str, int] = {}
    for number, name in enumerate(other):
        places[name] = AMBIGUOUS if name in places else number
    return np.array([places.get(name, UNKNOWN) for name in own], np.int64)


def are_numbers(names: Sequence[str]) -> bool:
    """Whether every name is its class's number, perhaps with zeros in front."""
    return all(name.isascii() and name.isdecimal() and int(name) == i for i, name in enumerate(names))


def _plain(name: str) -> str:
    """A name as it is compared: file systems of Apple take letters with accents apart."""
    return unicodedata.normalize("NFC", name)


def listed(names: Sequence[str]) -> str:
    """Names for a message, some of them where there are many."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN + 1 else ""
    return ", ".join(map(repr, names[:SHOWN] if more else names)) + more


def of_splits(names: Sequence[str]) -> bool:
    """Whether names of classes are those of splits: all of them, or one of training and one of testing among them.

    A lone 'train' among others is a class, as in CIFAR-100.
    """
    found = [name for name in names if SPLIT_NAME.fullmatch(name.strip())]
    return len(found) > 0 and (len(found) == len(names) or of_several_splits(found))


def of_several_splits(names: Iterable[str]) -> bool:
    """Whether some of the names are of a training split, and some of another one."""
    found = [SPLIT_NAME.fullmatch(name.strip()) for name in names]
    return len({match[1] is not None for match in found if match}) > 1


def check_one_split(files: Sequence[str], source: str) -> None:
    """Raise ValueError for files of which some are called by training and others by testing, as in the hub's data/."""
    names = [PurePosixPath(file).name for file in files]
    words = [{match[1] is not None for match in SPLIT_WORD.finditer(name.lower())} for name in names]
    train, test = (next((name for name, said in zip(names, words, strict=True) if said == {of}), None) for of in (1, 0))
    if train is not None and test is not None:
        raise ValueError(
            f"{source} holds files of several splits, such as {train} and {test}: name those of one by a glob, such as "
            f"{_glob(train)}"
        )


def _glob(name: str) -> str:
    """A glob of the files that are called as one is: train-*.parquet."""
    match = SPLIT_WORD.search(name.lower())
    assert match is not None
    return f"{name[: match.end()]}*.{name.rpartition('.')[2]}"

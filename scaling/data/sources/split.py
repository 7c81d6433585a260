"""The labels of a split: one class number an image, or any number of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scaling.checks import check


@dataclass(frozen=True, eq=False)
class MultiLabels:
    """Any number of classes an image: those of image i are `values[offsets[i] : offsets[i + 1]]`."""

    values: np.ndarray  # int64 [all labels]
    offsets: np.ndarray  # int64 [N + 1]
    num_classes: int  # K, columns of a multi-hot row

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Multi-hot rows of the images `index` [n]: float32 [n, K]."""
        some = self.take(np.asarray(index))
        out = np.zeros((len(some), self.num_classes), np.float32)
        out[np.repeat(np.arange(len(some)), np.diff(some.offsets)), some.values] = 1
        return out

    def take(self, index: np.ndarray) -> "MultiLabels":
        """The labels of the images `index` [n], in that order."""
        starts = self.offsets[:-1][index]
        counts = self.offsets[1:][index] - starts
        offsets = np.concatenate([[0], np.cumsum(counts)])
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return MultiLabels(self.values[positions], offsets, self.num_classes)


Labels = np.ndarray | MultiLabels  # int64 [N], or ragged


def ragged(values: np.ndarray, counts: np.ndarray, classes: list[str] | None) -> Labels:
    """Labels from the class numbers of all images [all labels] and how many each has [N]: one number each if it can."""
    if bool((counts == 1).all()):
        return values
    return multi_labels(values, counts, classes)


def multi_labels(values: np.ndarray, counts: np.ndarray, classes: list[str] | None) -> MultiLabels:
    """As `ragged`, but multi-label even when every image has one label."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return MultiLabels(values, offsets, max(len(classes or ()), int(values.max(initial=-1)) + 1))


def select(labels: Labels, index: range | np.ndarray) -> Labels:
    """The labels of the images `index`, in that order."""
    if isinstance(labels, MultiLabels):
        return labels.take(np.asarray(index))
    return labels[index.start : index.stop] if isinstance(index, range) else labels[index]


def numbers(labels: Labels) -> tuple[np.ndarray, ...]:
    """The arrays that make up the labels: class numbers first."""
    return (labels.values, labels.offsets) if isinstance(labels, MultiLabels) else (labels,)


def highest_label(labels: Labels) -> int:
    """The highest class number; -1 when there is none."""
    return int(numbers(labels)[0].max(initial=-1))


def single_labels(labels: Labels, what: str) -> np.ndarray:
    """The labels as class numbers [N]. Raises ValueError for a multi-label split, which `what` cannot use."""
    check(not isinstance(labels, MultiLabels), f"{what} needs one label an image, and this set has several of some")
    assert isinstance(labels, np.ndarray)
    return labels


class Encoded(Protocol):
    """The encoded images of a split. They can be pickled; what is open is opened again."""

    @property
    def shards(self) -> np.ndarray:
        """Images in each file that holds many of them, in the order of the index: int64, one entry for other forms."""
        ...

    def __getitem__(self, index: int) -> bytes | None:
        """The bytes of an image. Raises ValueError when its file cannot be read."""
        ...

    def name(self, index: int) -> str:
        """The image's key in its source, as lists of images give it."""
        ...

    def where(self, index: int) -> str:
        """The place of an image, for messages."""
        ...


@dataclass(frozen=True, eq=False)
class Split:
    """A split as its form has it, with nothing decoded."""

    labels: Labels
    classes: list[str] | None
    encoded: Encoded


@dataclass(frozen=True)
class Facts:
    """What is known without decoding. `num_classes` counts the names, or else the labels up to the highest."""

    num_images: int
    num_classes: int
    highest_label: int
    fingerprint: str

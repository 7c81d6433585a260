"""The labels of a split: one class number per image, or any number of them."""

from dataclasses import dataclass

import numpy as np

from scaling.checks import check


@dataclass(frozen=True, eq=False)
class MultiLabels:
    """Any number of classes per image: those of image i are `values[offsets[i] : offsets[i + 1]]`."""

    values: np.ndarray  # int64 [all labels]
    offsets: np.ndarray  # int64 [N + 1]
    num_classes: int  # K, columns of a multi-hot row

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Multi-hot rows of the images `index` [n]: float32 [n, K]."""
        taken = self.take(np.asarray(index))
        rows = np.zeros((len(taken), self.num_classes), np.float32)
        rows[np.repeat(np.arange(len(taken)), np.diff(taken.offsets)), taken.values] = 1
        return rows

    def take(self, index: np.ndarray) -> "MultiLabels":
        """The labels of the images `index` [n], in that order."""
        starts = self.offsets[:-1][index]
        counts = self.offsets[1:][index] - starts
        offsets = np.concatenate([[0], np.cumsum(counts)])
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return MultiLabels(self.values[positions], offsets, self.num_classes)


Labels = np.ndarray | MultiLabels  # int64 [N], or ragged


def ragged(values: np.ndarray, counts: np.ndarray, classes: list[str] | None) -> Labels:
    """Labels from class numbers [all labels] and their count per image [N]: plain numbers where every image has one."""
    if bool((counts == 1).all()):
        return values
    return multi_labels(values, counts, classes)


def multi_labels(values: np.ndarray, counts: np.ndarray, classes: list[str] | None) -> MultiLabels:
    """Labels as `ragged` makes them, but multi-label even where every image has one."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return MultiLabels(values, offsets, max(len(classes or ()), int(values.max(initial=-1)) + 1))


def select(labels: Labels, index: range | np.ndarray) -> Labels:
    """The labels of the images `index`, in that order."""
    if isinstance(labels, MultiLabels):
        return labels.take(np.asarray(index))
    return labels[index.start : index.stop] if isinstance(index, range) else labels[index]


def numbers(labels: Labels) -> tuple[np.ndarray, ...]:
    """The arrays that the labels consist of, the class numbers first."""
    return (labels.values, labels.offsets) if isinstance(labels, MultiLabels) else (labels,)


def highest_label(labels: Labels) -> int:
    """The highest class number; -1 when there is none."""
    return int(numbers(labels)[0].max(initial=-1))


def single_labels(labels: Labels, purpose: str) -> np.ndarray:
    """The labels as class numbers [N]. Raises ValueError for a multi-label split, which the `purpose` cannot use."""
    check(not isinstance(labels, MultiLabels), f"{purpose} needs one label per image, some images here have several")
    assert isinstance(labels, np.ndarray)
    return labels

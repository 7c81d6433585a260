"""Some images of a split: a part of it in order, and those that list files name or leave out."""

from dataclasses import dataclass

import numpy as np

from scaling.data.encoded import Encoded, Split
from scaling.data.files import read_text
from scaling.data.labels import select
from scaling.data.uris import Selected
from scaling.identity import check


@dataclass(frozen=True, eq=False)
class Chosen:
    """The encoded images `index` of others."""

    all: Encoded
    index: range | np.ndarray  # ascending

    def __getitem__(self, index: int) -> bytes | None:
        return self.all[int(self.index[index])]

    def name(self, index: int) -> str:
        return self.all.name(int(self.index[index]))

    def where(self, index: int) -> str:
        return self.all.where(int(self.index[index]))

    @property
    def shards(self) -> np.ndarray:
        edges = np.concatenate([[0], np.cumsum(self.all.shards)])
        if isinstance(self.index, range):
            counts = np.diff(np.clip(edges, self.index.start, self.index.stop))
        else:
            counts = np.diff(np.searchsorted(self.index, edges))
        return counts[counts > 0]


def choose(split: Split, selected: Selected) -> Split:
    """The images of a split that a URI's options leave: the part first, so that no list moves its bounds.

    Raises ValueError for a part that reaches beyond the images, for a name that no image of the source has, and when
    nothing is left.
    """
    start, stop = selected.bounds(len(split.labels))
    index: range | np.ndarray = range(start, stop)
    if selected.only or selected.without:
        keep = np.zeros(len(split.labels), bool)
        keep[start:stop] = True
        if selected.only:
            keep &= _listed(split, selected.only)
        if selected.without:
            keep &= ~_listed(split, selected.without)
        index = np.flatnonzero(keep)
        check(len(index) > 0, f"the lists leave no image of {selected}")
        if len(index) == stop - start:
            index = range(start, stop)
    return Split(select(split.labels, index), split.classes, Chosen(split.encoded, index))


def _listed(split: Split, path: str) -> np.ndarray:
    """Which images a list file names, bool [N]."""
    lines = [line.strip() for line in read_text(path, "list of images").splitlines()]
    missing = {line for line in lines if line and not line.startswith("#")}
    found = np.zeros(len(split.labels), bool)
    for index in range(len(found) if missing else 0):
        if (name := split.encoded.name(index)) in missing:
            found[index] = True
            missing.remove(name)
            if not missing:
                break
    if missing:
        unknown = next(line for line in lines if line in missing)
        raise ValueError(f"list {path} names {unknown!r}, which no image of the set is called ({_example(split)})")
    return found


def _example(split: Split) -> str:
    return f"the first one is {split.encoded.name(0)!r}" if len(split.labels) else "it is empty"

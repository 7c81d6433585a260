"""The images of a split that the options of its URI select: `part=`, `only=` and `without=`."""

from dataclasses import dataclass

import numpy as np

from scaling.checks import check
from scaling.data.sources.labels import select
from scaling.data.sources.lists import meant, read_entries
from scaling.data.sources.split import Encoded, Split
from scaling.data.uris import Selected


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some of the images of `all`."""

    all: Encoded
    index: range | np.ndarray  # which, int64 [n], ascending

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
        shards: np.ndarray = counts[counts > 0]
        return shards


def choose(split: Split, selected: Selected) -> Split:
    """The images of a split that a URI's options select.

    The part is taken first, so that its bounds do not depend on what the lists name. Raises ValueError for a part that
    reaches beyond the images, for a name that no image of the source has, and when nothing is left.
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
        check(len(index) > 0, f"{selected} selects no image: its lists leave none")
        if len(index) == stop - start:
            index = range(start, stop)  # lists that leave out nothing do not change the fingerprint
    return Split(select(split.labels, index), split.classes, Chosen(split.encoded, index), split.notes)


def _listed(split: Split, path: str) -> np.ndarray:
    """Which images a list file names: bool [N]."""
    entries = read_entries(path, "list of images")
    wanted = {name for entry in entries for name in entry.names}
    found: dict[str, int] = {}
    # Ends early, since a name may cost a read: a member of a tar shard has it in its header.
    for index in range(len(split.labels) if wanted else 0):
        if (name := split.encoded.name(index)) in wanted:
            found.setdefault(name, index)
            if len(found) == len(wanted):
                break
    listed = np.zeros(len(split.labels), bool)
    listed[meant(entries, found, path, _example(split))] = True
    return listed


def _example(split: Split) -> str:
    return f"the first one is {split.encoded.name(0)!r}" if len(split.labels) else "it is empty"

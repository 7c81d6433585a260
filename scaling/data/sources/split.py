"""A split as its form stores it: labels, class names and encoded images, with nothing decoded."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scaling.data.sources.labels import Labels


class Encoded(Protocol):
    """The encoded images of a split, in the order of their indices.

    Values of this protocol can be pickled and sent to other processes, which open the files again themselves.
    """

    @property
    def shards(self) -> np.ndarray:
        """Number of images in each file that holds many, int64 [files]; one entry, all of them, for other forms."""
        ...

    def __getitem__(self, index: int) -> bytes | None:
        """The bytes of an image, None where the source has none. Raises ValueError when its file cannot be read."""
        ...

    def name(self, index: int) -> str:
        """The image's name in its source, as `only=` and `without=` lists give it."""
        ...

    def where(self, index: int) -> str:
        """Where the image lies, for messages."""
        ...


@dataclass(frozen=True, eq=False)
class Split:
    """The labelled images of one split."""

    labels: Labels
    classes: list[str] | None  # names by class number, where the source has names
    encoded: Encoded
    notes: tuple[str, ...] = ()  # lines about what was found and is not used, to be said once


@dataclass(frozen=True)
class Facts:
    """What is known of a split without decoding an image."""

    num_images: int
    num_classes: int  # number of names, or the highest label + 1 where there are no names
    highest_label: int  # -1 without any
    fingerprint: str  # hash of the content
    notes: tuple[str, ...] = ()  # lines about the split, to be said once
    classes: tuple[str, ...] | None = None  # names by class number, where the source has names
    used: tuple[int, ...] = ()  # classes that have images, ascending
    broken: tuple[str, ...] = ()  # images, of those that were looked at, that hold no image: where, and what is wrong

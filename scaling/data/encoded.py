"""What all forms of a data set have in common: labels, class names and encoded images by index."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scaling.data.labels import Labels


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

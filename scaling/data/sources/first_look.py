"""What some images show before any is decoded: files that hold no image, and photographs marked as turned."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from scaling.data.sources.filesystem import Files, head
from scaling.data.sources.magic import MAGIC_BYTES, is_image
from scaling.data.sources.metadata import orientation
from scaling.data.sources.split import Encoded

HEADS = 10_000  # files of this machine whose first bytes are read, at most, evenly spread


@dataclass
class FirstLook:
    """What was seen of the images that were looked at."""

    encoded: Encoded
    looked: int = 0
    turned: int = 0  # by the camera, as EXIF says
    broken: dict[int, str] = field(default_factory=dict)  # images without an image's content, and what is wrong

    def add(self, index: int, image: bytes) -> None:
        """Look at an image whose bytes are at hand."""
        self.looked += 1
        self.turned += orientation(image) > 1
        if not is_image(image[:MAGIC_BYTES]) and not _has_size(image):
            what = f"its {len(image):,} bytes are no image of a known format" if image else "it is empty"
            self.broken[index] = f"{self.encoded.where(index)} cannot be decoded: {what}"

    def add_files(self, files: Files, chosen: np.ndarray) -> None:
        """Look at the first bytes of images that are files of this machine, and at the sizes of all.

        files: the images, of which those `chosen`, int64 [n], are the split.
        """
        for index in _suspects(files, chosen):
            if index in self.broken:
                continue
            try:
                self.add(index, self.encoded[index] or b"")
            except ValueError as error:  # it is too large, say
                self.broken[index] = str(error)

    def notes(self, source: object) -> tuple[str, ...]:
        """What is said of it."""
        if not self.turned:
            return ()
        some = f"{self.turned} of {self.looked} images that were looked at are marked as turned (EXIF)"
        return (f"{source}: {some}: pixels are taken as they are stored",)


def _has_size(image: bytes) -> bool:
    """Whether a decoder knows the form of an image that the first bytes do not tell."""
    from scaling.data.sources.decoding import image_size  # here: planning needs no Pillow

    try:
        image_size(image)
    except Exception:  # decoders raise anything
        return False
    return True


def _suspects(files: Files, chosen: np.ndarray) -> Iterator[int]:
    """The images that are empty, or do not begin like an image; of the chosen ones, by their number among these."""
    count = len(chosen)
    empty = np.flatnonzero(files.sizes[chosen] == 0) if files.sizes is not None else np.empty(0, np.int64)
    heads = np.linspace(0, count - 1, min(count, HEADS)).astype(np.int64) if files.root.local is not None else empty
    for index in np.union1d(empty, heads).tolist():
        try:
            begins = head(files.root, files.name(int(chosen[index])), MAGIC_BYTES)
        except OSError:
            continue  # who decodes it says why it cannot be read
        if not is_image(begins):
            yield index

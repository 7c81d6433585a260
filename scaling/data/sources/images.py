"""The labelled images of a split, decoded."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import UnidentifiedImageError

from scaling.checks import printable
from scaling.data.sources.decoding import CorruptImageError, decode
from scaling.data.sources.labels import Labels
from scaling.data.sources.split import Encoded
from scaling.data.sources.threads import in_threads

DENSE_BYTES = 1 << 30  # size up to which the decoded images of a split are kept in memory
BLOCK = 256  # images that a thread decodes at a time
SMALL_PIXELS = 128 * 128  # pixels of an image up to which threads cost more than they gain


@dataclass(frozen=True, eq=False)
class Images:
    """The labelled images of a split.

    Images that all have one size are decoded once, if they fit into DENSE_BYTES; others at every access.
    """

    labels: Labels  # int64 [N]; of a multi-label set, multi-hot float32 [n, K] at indices [n]
    classes: list[str] | None
    encoded: Encoded
    notes: tuple[str, ...] = ()  # lines about what was found and is not used, for `scaling.checks.say`

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shards(self) -> np.ndarray:
        """Images in each Parquet file or tar shard, int64 [files]; one entry, all of them, for other forms."""
        return self.encoded.shards

    def name(self, index: int) -> str:
        """The image's name in its source: path in a folder or list, shard and member, `path` or row of Parquet."""
        return self.encoded.name(index)

    def where(self, index: int) -> str:
        """Where the image lies, for messages: in one line that any terminal can show."""
        return printable(self.encoded.where(index))

    @cached_property
    def dense(self) -> np.ndarray | None:
        """All images, uint8 [N, H, W, 3]; None when sizes differ, they exceed DENSE_BYTES, or one is corrupt."""
        try:
            return self._dense()
        except CorruptImageError:
            return None

    def _dense(self) -> np.ndarray | None:
        first = self.decode(0)
        if first.nbytes * len(self) > DENSE_BYTES:
            return None
        out = np.empty((len(self), *first.shape), np.uint8)

        def fill(start: int) -> bool:
            for index in range(start, min(start + BLOCK, len(self))):
                image = self.decode(index)
                if image.shape != first.shape:
                    return False
                out[index] = image
            return True

        starts = range(BLOCK, len(self), BLOCK)
        small = first[..., 0].size <= SMALL_PIXELS
        # The first block alone: a set of many sizes mostly shows so there, before threads decode all of it.
        if not fill(0) or not all(map(fill, starts) if small else in_threads(fill, starts)):
            return None
        out.flags.writeable = False  # every reader of the split gets this array
        return out

    def pixels(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """RGB images: uint8 [n, H, W, 3] when these have one size, else a list of uint8 [H, W, 3].

        Raises CorruptImageError for an image that cannot be decoded.
        """
        if self.dense is not None:
            pixels: np.ndarray | list[np.ndarray] = self.dense[indices]
            return pixels
        images = [self.decode(int(index)) for index in indices]
        return np.stack(images) if len({image.shape for image in images}) == 1 else images

    def decode(self, index: int) -> np.ndarray:
        """One image, uint8 [H, W, 3]. Raises CorruptImageError."""
        data = self.encoded[index]
        if not data:
            raise CorruptImageError(f"no image bytes in {self.where(index)}")
        try:
            return decode(data)
        except UnidentifiedImageError:
            why = f"its {len(data)} bytes are no image of a known format"
        except Exception as error:  # decoders raise anything for broken input
            why = " ".join(str(error).split()) or type(error).__name__
        raise CorruptImageError(f"the image in {self.where(index)} cannot be decoded: {why}")

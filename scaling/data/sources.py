"""Opening a split by its URI (`scaling.data.uris`) and decoding its images."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from scaling.data import builtin, parquet
from scaling.data.decoding import CorruptImageError, decode
from scaling.data.parquet import Encoded
from scaling.data.uris import Parquet, parse
from scaling.storage import Storage

DENSE_BYTES = 1 << 30  # decoded images of one size are kept up to here
BLOCK = 256  # images decoded by a thread at a time
SMALL = 128 * 128  # pixels of an image below which threads cost more than they give


@dataclass(frozen=True, eq=False)
class Images:
    """A split: encoded images in memory, decoded once when they are small and of one size, else at every access."""

    labels: np.ndarray  # int64 [N]
    classes: list[str] | None
    encoded: Encoded

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def shards(self) -> np.ndarray:
        """Images in each file, int64, in the order of their indices."""
        bounds = np.append(self.encoded.starts, len(self))
        first = [i for i, (_, row) in enumerate(self.encoded.origins) if row == 0]
        return np.diff(np.append(bounds[first], len(self)))

    @cached_property
    def dense(self) -> np.ndarray | None:
        """All images, uint8 [N, H, W, 3], or None when their sizes differ or they are more than DENSE_BYTES."""
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
        small = first[..., 0].size <= SMALL
        if not fill(0) or not all(map(fill, starts) if small else builtin.in_threads(fill, starts)):
            return None
        out.flags.writeable = False
        return out

    def pixels(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """uint8 [n, H, W, 3] when these images have one size, else a list of uint8 [H, W, 3]; RGB, grey tiled.

        Raises CorruptImageError with the file and row of an image that cannot be decoded.
        """
        if self.dense is not None:
            return self.dense[indices]
        images = [self.decode(int(index)) for index in indices]
        return np.stack(images) if len({image.shape for image in images}) == 1 else images

    def decode(self, index: int) -> np.ndarray:
        """One image, uint8 [H, W, 3]. Raises CorruptImageError."""
        data = self.encoded[index]
        if data is None:
            raise CorruptImageError(f"no image bytes in {self.encoded.where(index)}")
        try:
            return decode(data)
        except Exception as error:  # decoders raise anything for broken input
            message = " ".join(str(error).split())
            raise CorruptImageError(f"the image in {self.encoded.where(index)} cannot be decoded: {message}") from None


@lru_cache(maxsize=8)
def open_split(uri: str, cache: Storage | None) -> Images:
    """The images of a split; opened once a process.

    Args:
        uri: see `scaling.data.uris`.
        cache: where built-in sets are kept once they are made; None makes them in memory.

    Raises:
        ValueError: a URI that names nothing, missing or broken files, missing columns, images without a label.
    """
    source = parse(uri)
    if isinstance(source, Parquet):
        return Images(*parquet.read(parquet.find(source), source))
    return Images(*parquet.read(builtin.files(source, cache), Parquet(str(source))))

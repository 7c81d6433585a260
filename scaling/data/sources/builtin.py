"""Data sets that need no download: they are made here, as Parquet files in the layout of all others."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.data.builtin_sets import Digits, Drawn, Ifs, Layouts
from scaling.data.sources import ifs, layouts
from scaling.data.sources.encoding import encode_parquet, image_name, png
from scaling.data.sources.split import Facts
from scaling.data.sources.threads import in_threads
from scaling.store import Storage

DIGITS_TRAIN, DIGITS_ALL = 1000, 1797


def facts(source: Drawn | Digits) -> Facts:
    """The facts of a built-in split, without making it; its fingerprint is a hash of its parameters."""
    # With the generator's version: another generator makes another data set.
    digest = hashlib.sha256(f"{source};generator={_generator(source)}".encode()).hexdigest()[:16]
    if isinstance(source, Drawn):
        return Facts(
            source.classes * source.per_class,
            source.classes,
            source.classes - 1,
            digest,
            used=tuple(range(source.classes)),
        )
    count = DIGITS_TRAIN if source.split == "train" else DIGITS_ALL - DIGITS_TRAIN
    return Facts(count, 10, 9, digest, used=tuple(range(10)))


def content(source: Drawn | Digits) -> bytes:
    """The split as a Parquet file."""
    return _drawn(source) if isinstance(source, Drawn) else _digits_file(source)


def cached_file(source: Drawn | Digits, cache: Storage) -> str:
    """Path of the split's Parquet file in `cache`, where it is made once."""
    name = file_name(source)
    if not cache.exists(name):
        # Two processes may do this at once: the content is the same, and a write is whole or not at all.
        cache.write(name, content(source))
    return cache.path(name)


def labels(source: Drawn | Digits) -> np.ndarray:
    """The split's labels without its images, int64 [N]."""
    if isinstance(source, Digits):
        return _digits(source)[1].astype(np.int64)
    return np.repeat(np.arange(source.classes), source.per_class)


def file_name(source: Drawn | Digits) -> str:
    """Name of the file in which the split is kept: its parameters and the generator's version."""
    match source:
        case Ifs(classes, images, size, seed, split):
            parameters = f"ifs-{classes}-{images}-{size}-{seed}-{split}"
        case Layouts(classes, images, size, seed, split):
            parameters = f"layouts-{classes}-{images}-{size}-{seed}-{split}"
        case Digits(split):
            parameters = f"digits-{split}"
    return f"data/{parameters}.v{_generator(source)}.parquet"


def _generator(source: Drawn | Digits) -> int:
    return layouts.GENERATOR if isinstance(source, Layouts) else ifs.GENERATOR


def _drawn(source: Drawn) -> bytes:
    render = layouts.render_layouts if isinstance(source, Layouts) else ifs.render_ifs
    first = 0 if source.split == "train" else ifs.TEST_NUMBERS
    numbers = first + np.arange(source.per_class, dtype=np.int64)

    def one_class(label: int) -> list[bytes]:
        return [png(pixels) for pixels in render(source.seed, label, numbers, source.size)]

    images = [image for of_class in in_threads(one_class, range(source.classes)) for image in of_class]
    return encode_parquet(images, np.repeat(np.arange(source.classes), len(numbers)), _names(source.classes))


def _digits_file(source: Digits) -> bytes:
    pixels, target = _digits(source)
    pixels = np.round(pixels * (255 / 16)).astype(np.uint8)
    return encode_parquet([png(image) for image in pixels], target, _names(10))


def _digits(source: Digits) -> tuple[np.ndarray, np.ndarray]:
    """The split's images, float64 [N, 8, 8] in 0 to 16, and labels, int64 [N]."""
    from sklearn.datasets import load_digits  # here: scikit-learn takes a second to load

    bunch = load_digits()
    part = slice(None, DIGITS_TRAIN) if source.split == "train" else slice(DIGITS_TRAIN, None)
    return bunch.images[part], bunch.target[part]


def _names(count: int) -> Sequence[str]:
    return [str(label) for label in range(count)]


@dataclass(frozen=True)
class Unmade:
    """Images of a built-in set that were not made: only their names are known, which is enough to select some."""

    source: Drawn | Digits
    count: int

    def __getitem__(self, index: int) -> bytes | None:
        raise AssertionError(f"{self.where(index)} is not made")

    def name(self, index: int) -> str:
        return image_name(index)

    def where(self, index: int) -> str:
        return f"row {index} of {self.source}"

    @property
    def shards(self) -> np.ndarray:
        return np.array([self.count], np.int64)

    @property
    def place(self) -> tuple[str, np.ndarray]:
        """What the images are drawn by, and the number of each, int64 [N]: larger sets of a kind have the same ones."""
        index = np.arange(self.count)
        if not isinstance(self.source, Drawn):
            return str(self.source), index
        kind, each = type(self.source).__name__, self.source.per_class
        label, number = np.divmod(index, each)
        return f"{kind} {self.source.size} {self.source.seed} {self.source.split}", label << 32 | number

"""Data sets that need no download: they are made here, as Parquet files in the layout of all others."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from scaling.data.builtin_sets import Digits, Drawn, Ifs, Layouts
from scaling.data.sources import ifs, layouts, parquet
from scaling.data.sources.filesystem import buffer
from scaling.data.sources.split import Facts, Split
from scaling.data.uris import Parquet
from scaling.store import Storage

A = TypeVar("A")
B = TypeVar("B")

DIGITS_TRAIN, DIGITS_ALL = 1000, 1797


def available_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """`[function(item) for item in items]`, on all cores: NumPy, zlib and Pillow release the interpreter's lock."""
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(function, items))


def facts(source: Drawn | Digits) -> Facts:
    """The facts of a built-in split, without making it; its fingerprint is a hash of its parameters."""
    digest = hashlib.sha256(f"{source};generator={_generator(source)}".encode()).hexdigest()[:16]
    if isinstance(source, Drawn):
        return Facts(source.classes * source.per_class, source.classes, source.classes - 1, digest)
    count = DIGITS_TRAIN if source.split == "train" else DIGITS_ALL - DIGITS_TRAIN
    return Facts(count, 10, 9, digest)


def read(source: Drawn | Digits, cache: Storage | None) -> Split:
    """The built-in split, from a Parquet file that is made once and kept in `cache`, or in memory without one."""
    if cache is None:
        return parquet.read_files([buffer(str(source), _make(source))], Parquet(str(source)))
    name = file_name(source)
    if not cache.exists(name):
        cache.write(name, _make(source))
    return parquet.read(Parquet(cache.path(name)))


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


def _make(source: Drawn | Digits) -> bytes:
    return _make_drawn(source) if isinstance(source, Drawn) else _make_digits(source)


def _make_drawn(source: Drawn) -> bytes:
    render = layouts.render_layouts if isinstance(source, Layouts) else ifs.render_ifs
    first = 0 if source.split == "train" else ifs.TEST_NUMBERS
    numbers = first + np.arange(source.per_class, dtype=np.int64)

    def one_class(label: int) -> list[bytes]:
        return [png(pixels) for pixels in render(source.seed, label, numbers, source.size)]

    images = [image for of_class in in_threads(one_class, range(source.classes)) for image in of_class]
    return parquet.encode_parquet(images, np.repeat(np.arange(source.classes), len(numbers)), _names(source.classes))


def _make_digits(source: Digits) -> bytes:
    pixels, target = _digits(source)
    pixels = np.round(pixels * (255 / 16)).astype(np.uint8)
    return parquet.encode_parquet([png(image) for image in pixels], target, _names(10))


def _digits(source: Digits) -> tuple[np.ndarray, np.ndarray]:
    """The split's images, float64 [N, 8, 8] in 0 to 16, and labels, int64 [N]."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    part = slice(None, DIGITS_TRAIN) if source.split == "train" else slice(DIGITS_TRAIN, None)
    return bunch.images[part], bunch.target[part]


def _names(count: int) -> Sequence[str]:
    return [str(label) for label in range(count)]


def png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W] or [H, W, 3] as a PNG without filters: for small images in a third of Pillow's time."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    lines = np.concatenate(
        [np.zeros((height, 1), np.uint8), lines], axis=1
    )  # each line starts with the number of its filter, 0
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

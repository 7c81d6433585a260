"""What de-duplication finds, and how fast: `python benchmarks/deduplication.py [--data URI ...] [--processes 1]`.

A corpus is made of a data set with classes: the images of even classes are the tests, copies of some of them are hidden
upstream among the images of odd classes, which are copies of nothing. Recall counts copies that were matched with their
own original, false positives the removed images of odd classes.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import io
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from rich.table import Table

from scaling.console import command_line, console
from scaling.data.sources import Images, encode_parquet, open_split
from scaling.deduplicate import (
    RADIUS,
    SIDE,
    Matches,
    describe_tests,
    find_copies,
    hamming_index,
    over_blocks,
    perceptual_hashes,
    thumbnail,
)
from scaling.randomness import permute, uniforms

SIZES = (25_000, 100_000)  # test entries and queries of the comparison's timing


@dataclass(frozen=True)
class Options:
    """Measure recall, false positives and speed of de-duplication.

    The corpus is made for it: copies are JPEGs of quality 50, resized to 60 %, cropped by 5 %, or of other brightness.

    python benchmarks/deduplication.py
    python benchmarks/deduplication.py --data fashion:test --copies 100 --json
    """

    data: tuple[str, ...] = ("ifs:classes=40,images=100", "fashion:test")
    """URIs of splits to make the corpus of."""
    copies: int = 400
    """Test images that are hidden upstream, once a kind."""
    images: int = 100_000
    """Images of a split that are looked at, at most."""
    processes: int = 1
    """Processes that read and compare."""
    json: bool = False
    """Print one JSON value instead of text."""


def jpeg(image: Image.Image, u: np.ndarray) -> bytes:
    return _encoded(image, "JPEG", quality=50)


def resized(image: Image.Image, u: np.ndarray) -> bytes:
    width, height = image.size
    return _encoded(image.resize((round(width * 0.6), round(height * 0.6)), Image.Resampling.BICUBIC))


def cropped(image: Image.Image, u: np.ndarray) -> bytes:
    """95 % of the width and of the height, anywhere."""
    (width, height), (w, h) = image.size, (round(image.size[0] * 0.95), round(image.size[1] * 0.95))
    left, top = int(u[0] * (width - w + 1)), int(u[1] * (height - h + 1))
    return _encoded(image.crop((left, top, left + w, top + h)))


def brighter(image: Image.Image, u: np.ndarray) -> bytes:
    return _encoded(image.point(lambda value: min(255, round(value * 1.1))))


def darker(image: Image.Image, u: np.ndarray) -> bytes:
    return _encoded(image.point(lambda value: round(value * 0.9)))


COPIES: dict[str, Callable[[Image.Image, np.ndarray], bytes]] = {
    "JPEG 50": jpeg,
    "size 60 %": resized,
    "crop 5 %": cropped,
    "light + 10 %": brighter,
    "light - 10 %": darker,
}


@dataclass(frozen=True)
class Corpus:
    """Two splits, and for every upstream image its test image, or -1, and its kind, or ''."""

    upstream: str
    tests: str
    originals: np.ndarray  # int64 [N]
    kinds: np.ndarray  # str [N]


def corpus(images: Images, copies: int, most: int, folder: Path) -> Corpus:
    """Write the splits of a corpus into a folder. Copies have pixels and bytes of their own."""
    shuffled = permute(np.arange(len(images)), len(images), 0)[:most]
    even = shuffled[images.labels[shuffled] % 2 == 0]
    odd = shuffled[images.labels[shuffled] % 2 == 1]
    made = [bytes(images.encoded[int(i)] or b"") for i in odd]
    originals, kinds = [-1] * len(odd), [""] * len(odd)
    places = uniforms(0, 0, even[:copies], 2)
    for kind, copy in COPIES.items():
        for number, u in enumerate(places):
            made.append(copy(Image.fromarray(images.decode(int(even[number]))), u))
            originals.append(number)
            kinds.append(kind)
    upstream, tests = folder / "upstream.parquet", folder / "tests.parquet"
    upstream.write_bytes(encode_parquet(made, np.zeros(len(made), np.int64), ["any"]))
    encoded = [bytes(images.encoded[int(i)] or b"") for i in even]
    tests.write_bytes(encode_parquet(encoded, np.zeros(len(even), np.int64), ["any"]))
    return Corpus(f"parquet:{upstream}", f"parquet:{tests}", np.array(originals), np.array(kinds))


def scores(made: Corpus, matches: Matches) -> dict[str, float]:
    """Recall of each kind of copy, and the share of unrelated images that were matched."""
    own = np.zeros(len(made.originals), bool)
    own[matches.upstream[matches.test == made.originals[matches.upstream]]] = True
    any_match = np.zeros(len(own), bool)
    any_match[matches.upstream] = True
    recall = {kind: float(own[made.kinds == kind].mean()) for kind in COPIES}
    return {**recall, "false positives": float(any_match[made.originals < 0].mean())}


def measure(uri: str, options: Options) -> dict[str, Any]:
    """Scores on the corpus of one data set, and seconds of its two passes."""
    with tempfile.TemporaryDirectory() as folder:
        made = corpus(open_split(uri, None), options.copies, options.images, Path(folder))
        began = time.perf_counter()
        tests = describe_tests([made.tests], options.processes)
        between = time.perf_counter()
        matches = find_copies(made.upstream, tests, options.processes)
        ended = time.perf_counter()
        counts = {"tests": len(tests), "upstream": len(made.originals)}
        seconds = {"seconds_tests": between - began, "seconds_upstream": ended - between}
        return {"data": uri, **counts, **scores(made, matches), **seconds}


def describing() -> float:
    """Images of 32 pixels that a core reads, decodes and hashes in a second of its time."""

    def work(images: Images, shared: None, span: range) -> int:
        made = np.stack([thumbnail(images.decode(number)) for number in span])
        return len(perceptual_hashes(made))

    uri = "ifs:classes=20,images=200"
    open_split(uri, None)
    began = time.process_time()
    return sum(over_blocks(work, uri, None, 1)) / (time.process_time() - began)


def comparing(size: int) -> dict[str, float]:
    """CPU seconds to look `size` hashes up among `size` others; all of pictures with a natural spectrum."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    spectrum = 1 / np.maximum(frequency, 1 / SIDE)

    def hashes() -> np.ndarray:
        noise = rng.normal(size=(size, SIDE, SIDE))
        return perceptual_hashes(np.fft.ifft2(np.fft.fft2(noise) * spectrum).real.astype(np.float32))

    there, queries = hashes(), hashes()
    began = time.process_time()
    built = hamming_index(there, RADIUS)
    between = time.process_time()
    pairs = len(built.pairs(queries)[0])
    ended = time.process_time()
    return {"size": size, "seconds_index": between - began, "seconds_pairs": ended - between, "pairs": pairs}


def main(options: Options) -> int:
    found = [measure(uri, options) for uri in options.data]
    rate, times = describing(), [comparing(size) for size in SIZES]
    if options.json:
        print(json.dumps({"corpora": found, "images_per_second_32px": rate, "comparison": times}, indent=1))
        return 0
    out = console()
    table = Table(title="Copies found, and unrelated images taken for copies (%)", title_justify="left")
    for heading in ("data", "tests", "upstream", *COPIES, "false positives"):
        table.add_column(heading, justify="left" if heading == "data" else "right")
    for row in found:
        shares = [f"{row[name]:.2%}" for name in (*COPIES, "false positives")]
        table.add_row(row["data"], f"{row['tests']:,}", f"{row['upstream']:,}", *shares)
    out.print(table)
    out.print(f"32-pixel images hashed: {rate:,.0f} a second and core, 100,000 in {1e5 / rate:.0f} s")
    seconds = [time["seconds_index"] + time["seconds_pairs"] for time in times]
    for size, took in zip(SIZES, seconds, strict=True):
        out.print(f"{size:,} hashes among {size:,}: {took:.2f} s of a core")
    growth = SIZES[1] / SIZES[0]
    out.print(
        f"{growth:g} times as many of both: {seconds[1] / seconds[0]:.1f} times as long (quadratic: {growth**2:g})"
    )
    return 0


def _encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


if __name__ == "__main__":
    command_line(main, Options)

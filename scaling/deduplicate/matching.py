"""De-duplication: which images of an upstream set are copies of test images (§4.1, after BiT's App. C).

Test images, whole and slightly cropped, are indexed by perceptual hashes. Every upstream image is looked up among them
(`hamming`), and the candidates are compared in more detail (`perceptual`). What counts as a copy depends on how similar
the test images around it are (`tolerance`), so the few upstream images that may be copies are compared with all tests.
The work is proportional to the number of upstream images, which are processed in blocks, and grows little with that of
the tests.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np

from scaling.data.sources import Images, open_split
from scaling.deduplicate import perceptual
from scaling.deduplicate.hamming import HammingIndex, hamming_index
from scaling.deduplicate.perceptual import CROPS

T = TypeVar("T")
# The same file; a copy of the whole test image; a copy of a part of it; either of these, turned or mirrored.
KINDS = ("bytes", "whole", "crop", "turned")
RADIUS = 10  # of 63 bits: finds 99 % of the copies of 28-pixel images, the hardest ones
BLOCK = 1024  # images that are processed at a time
PAIRS = 1 << 14  # candidate pairs that are compared at a time
COMPARED = 1 << 20  # pairs at a time when images are compared with all tests
MOST = 4  # copies of one picture that a test set may hold
NO_OTHER = 1.0  # residual to the next test image when there is none
FAR = 0.02  # largest residual of an image that may be a copy


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The T test images, numbered through all sets, each with CROPS hashes."""

    uris: tuple[str, ...]
    starts: np.ndarray  # int64 [sets]: number of each set's first image
    digests: np.ndarray  # uint64 [T]: hashes of the encoded bytes
    hashes: HammingIndex  # perceptual hashes of all crops that are not flat
    signatures: np.ndarray  # float32 [hashes, F]: what is compared
    owners: np.ndarray  # int64 [hashes]: image * CROPS + crop
    described: "Described"

    def __len__(self) -> int:
        return len(self.digests)


@dataclass(frozen=True)
class Described:
    """Counts over the images of a set, and which of them were not compared."""

    images: int
    flat: int  # images with next to no contrast
    unreadable: tuple[tuple[int, str], ...]  # (number of the image, what is wrong with it)


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of an upstream and a test image that are copies, ordered by upstream image; arrays [p]."""

    upstream: np.ndarray  # int64
    test: np.ndarray  # int64, numbered through all sets
    kind: np.ndarray  # int64: index in KINDS
    distance: np.ndarray  # int64: differing bits of the perceptual hash
    residual: np.ndarray  # float64: see `perceptual.residuals`
    described: Described


def describe_tests(uris: Sequence[str], processes: int = 1) -> Catalogue:
    """The catalogue of all test sets. Raises ValueError when a set cannot be opened."""
    parts = [over_blocks(_describe, uri, None, processes) for uri in uris]
    counts = [sum(part[2].images for part in blocks) for blocks in parts]
    blocks = [block for blocks_of_set in parts for block in blocks_of_set]
    digests = np.concatenate([block[0] for block in blocks])
    thumbnails = np.concatenate([block[1] for block in blocks]).reshape(-1, perceptual.SIDE, perceptual.SIDE)
    signatures = perceptual.signatures(thumbnails)
    # Images without contrast are left out: what their hashes show is noise.
    owners = np.flatnonzero(~perceptual.flat(signatures))
    return Catalogue(
        tuple(uris),
        np.cumsum([0, *counts[:-1]]),
        digests,
        hamming_index(perceptual.perceptual_hashes(thumbnails[owners]), RADIUS),
        signatures[owners],
        owners,
        _total([block[2] for block in blocks]),
    )


def find_copies(upstream: str, tests: Catalogue, processes: int = 1) -> Matches:
    """The copies of test images in the split `upstream`, a URI. Raises ValueError when it cannot be opened."""
    blocks = over_blocks(_match, upstream, tests, processes)
    queried, test, kind, distance, residual = (np.concatenate([block[0][i] for block in blocks]) for i in range(5))
    return Matches(queried, test, kind, distance, residual, _total([block[1] for block in blocks]))


def tolerance(other: np.ndarray) -> np.ndarray:
    """The largest residual [p] of a copy, given the residual to the next test image, `other` [p].

    It is a share of that one, so that among many look-alikes (shirts on a white ground) none is taken for another's
    copy, and at most FAR: copies are that close, by benchmarks/deduplication.py.
    """
    return np.clip(0.15 * other, 0.0006, FAR)


def judge(queries: np.ndarray, tests: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Which of the candidate pairs [p] are copies: bool [p].

    The test images nearest to a query are its originals, up to the last one, of the first MOST, whose residual stands
    out from the next one's: a test set may itself hold copies, which are then all found.
    """
    order = np.lexsort((residual, tests, queries))
    first = _firsts(queries[order], tests[order])  # the best crop of each test image
    order = order[first]
    order = order[np.lexsort((residual[order], queries[order]))]
    q, r = queries[order], residual[order]
    rank = np.arange(len(q)) - np.searchsorted(q, q)
    same = np.append(q[1:] == q[:-1], False) if len(q) else np.empty(0, bool)
    following = np.where(same, np.append(r[1:], NO_OTHER)[: len(r)], NO_OTHER)
    stands_out = (r <= tolerance(following)) & (rank < MOST)
    last = np.full(int(q.max(initial=-1)) + 1, -1)
    np.maximum.at(last, q[stands_out], rank[stands_out])
    out = np.zeros(len(queries), bool)
    out[order[rank <= last[q]]] = True
    return out


# --- one block of images --------------------------------------------------------------------------------------------


def _read(images: Images, span: range, make: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> Any:
    """Digests uint64 [n] and thumbnails float32 [n, *shape], zeros for images that cannot be read, and the reasons."""
    digests, thumbnails, unreadable = np.zeros(len(span), np.uint64), np.zeros((len(span), *shape), np.float32), []
    for place, number in enumerate(span):
        try:
            data = images.encoded[number] or b""
            digests[place] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
            thumbnails[place] = make(images.decode(number))
        except ValueError as error:
            unreadable.append((number, str(error)))
    return digests, thumbnails, tuple(unreadable)


def _describe(images: Images, shared: None, span: range) -> tuple[np.ndarray, np.ndarray, Described]:
    """Digests and thumbnails, whole and cropped, of a block of test images."""
    shape = (CROPS, perceptual.SIDE, perceptual.SIDE)
    digests, thumbnails, unreadable = _read(images, span, perceptual.crops, shape)
    return digests, thumbnails, _described(thumbnails[:, 0], unreadable)


def _match(images: Images, tests: Catalogue, span: range) -> tuple[tuple[np.ndarray, ...], Described]:
    """The columns of `Matches` for a block of upstream images."""
    digests, thumbnails, unreadable = _read(images, span, perceptual.thumbnail, (perceptual.SIDE, perceptual.SIDE))
    readable = np.setdiff1d(np.arange(len(span)), [number - span.start for number, _ in unreadable])
    same, test = _same_bytes(digests, tests.digests, readable)
    exact = (same, test, *(np.zeros(len(same), kind) for kind in (np.int64, np.int64, np.float64)))
    contrast = np.flatnonzero(~perceptual.flat(perceptual.signatures(thumbnails)))
    similar = _similar(np.setdiff1d(contrast, same), thumbnails, tests)
    # What is a copy as it lies is not turned as well: a ball is a copy of itself in every orientation.
    turned = _turned(np.setdiff1d(contrast, np.union1d(same, similar[0])), thumbnails, tests)
    upstream, *rest = (np.concatenate(parts) for parts in zip(exact, similar, turned, strict=True))
    order = np.argsort(upstream, kind="stable")
    columns = (upstream[order] + span.start, *(column[order] for column in rest))
    return columns, _described(thumbnails, unreadable)


def _same_bytes(digests: np.ndarray, tests: np.ndarray, readable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images with the same bytes as a test image, and that test image, the first one if there are several."""
    if not len(tests):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(tests, kind="stable")
    place = np.minimum(np.searchsorted(tests[order], digests[readable]), len(tests) - 1)
    equal = tests[order][place] == digests[readable]
    return readable[equal], order[place[equal]]


def _similar(chosen: np.ndarray, thumbnails: np.ndarray, tests: Catalogue) -> tuple[np.ndarray, ...]:
    """The columns of `Matches` for those of the images `chosen` out of a block that show a test image."""
    thumbnails = thumbnails[chosen]
    hashes, bases = perceptual.perceptual_hashes(thumbnails), perceptual.tangents(thumbnails)
    queries, entries, _ = tests.hashes.pairs(hashes)
    residual = np.zeros(len(queries))
    for start in range(0, len(queries), PAIRS):
        part = slice(start, start + PAIRS)
        residual[part] = perceptual.residuals(bases[queries[part]], tests.signatures[entries[part]])
    # A test image may be there twice then, by its hash and as one of the nearest: `judge` takes the better of them.
    near = _nearest(np.unique(queries[residual <= FAR]), bases, tests)
    queries, entries, residual = (np.concatenate(both) for both in zip((queries, entries, residual), near, strict=True))
    test, crop = np.divmod(tests.owners[entries], CROPS)
    copies = judge(queries, test, residual)
    kind = np.where(crop > 0, KINDS.index("crop"), KINDS.index("whole"))
    distance = np.bitwise_count(hashes[queries] ^ tests.hashes.hashes[entries]).astype(np.int64)
    return tuple(column[copies] for column in (chosen[queries], test, kind, distance, residual))


def _turned(chosen: np.ndarray, thumbnails: np.ndarray, tests: Catalogue) -> tuple[np.ndarray, ...]:
    """The columns of `Matches` for those that show a test image turned or mirrored, each pair once."""
    parts = [_similar(chosen, turned, tests) for turned in perceptual.turns(thumbnails)]
    upstream, test, _, distance, residual = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((residual, test, upstream))
    order = order[_firsts(upstream[order], test[order])]
    kind = np.full(len(order), KINDS.index("turned"))
    return upstream[order], test[order], kind, distance[order], residual[order]


def _nearest(queries: np.ndarray, bases: np.ndarray, tests: Catalogue) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each query with the MOST + 1 test images nearest to it, whose hashes need not be close."""
    wholes = np.flatnonzero(tests.owners % CROPS == 0)
    count = min(MOST + 1, len(wholes))
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    step = max(1, COMPARED // max(1, len(wholes)))
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        to_all = perceptual.residuals_to_all(bases[part], tests.signatures[wholes])
        nearest = np.argpartition(to_all, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(to_all, nearest, axis=1)
        parts.append((np.repeat(part, count), wholes[nearest].ravel(), values.ravel()))
    queried, entries, residual = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return queried, entries, residual


def _described(thumbnails: np.ndarray, unreadable: tuple[tuple[int, str], ...]) -> Described:
    no_contrast = int(perceptual.flat(perceptual.signatures(thumbnails)).sum()) - len(unreadable)
    return Described(len(thumbnails), no_contrast, unreadable)


def _total(parts: Sequence[Described]) -> Described:
    unreadable = tuple(reason for part in parts for reason in part.unreadable)
    return Described(sum(part.images for part in parts), sum(part.flat for part in parts), unreadable)


def _firsts(*columns: np.ndarray) -> np.ndarray:
    """Whether a row of sorted columns differs from the row before: bool [n]."""
    new = np.ones(len(columns[0]), bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return new


# --- on all cores ---------------------------------------------------------------------------------------------------


def over_blocks(work: Callable[[Images, Any, range], T], uri: str, shared: Any, processes: int) -> list[T]:
    """`work(images, shared, block)` for every BLOCK of the images of a split, in order.

    With several processes each opens the split itself. Threads would not help: decoding holds the interpreter's lock.
    """
    images = open_split(uri, None)
    spans = [range(start, min(start + BLOCK, len(images))) for start in range(0, len(images), BLOCK)]
    processes = min(processes, len(spans))
    if processes <= 1:
        return [work(images, shared, span) for span in spans]
    # Spawned: a fork of a process that has threads, such as Arrow's, may hang.
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (uri, shared)) as pool:
        return list(pool.map(partial(_block, work), spans))


_SHARED: dict[str, Any] = {}  # what a worker process keeps between blocks


def _begin(uri: str, shared: Any) -> None:
    # Once per process: the catalogue would take long to send with every block.
    _SHARED.update(images=open_split(uri, None), shared=shared)


def _block(work: Callable[[Images, Any, range], T], span: range) -> T:
    return work(_SHARED["images"], _SHARED["shared"], span)

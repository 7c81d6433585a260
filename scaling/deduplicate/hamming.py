"""All pairs of 64-bit hashes within a Hamming radius, by multi-index hashing (Norouzi, Punjani and Fleet 2012).

The bits are divided into bands, and each band has a table from its value to the hashes with that value. Two hashes at
distance r or less are close in at least one band (by the pigeonhole principle), so it is enough to look up the
neighbours of the query's value in each band: no pair is missed. The number of bands follows from that of the hashes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

BITS = 64
MAX_WIDTH = 22  # bits of a band, whose table has 2**width entries
LOOKUPS = 1 << 18  # lookups at a time, so that the arrays fit into the CPU's caches


@dataclass(frozen=True, eq=False)
class Band:
    """A few bits of every hash: `items[starts[v]:starts[v + 1]]` are the hashes whose bits have the value v."""

    shift: int
    masks: np.ndarray  # int64 [probes]: a query's value xor each mask is looked up; the first mask is 0
    starts: np.ndarray  # int64 [2**width + 1]
    items: np.ndarray  # int64 [M]

    def values(self, hashes: np.ndarray) -> np.ndarray:
        """The band's bits of hashes uint64 [n]: int64 [n]."""
        return _values(hashes, self.shift, len(self.starts) - 2)


@dataclass(frozen=True, eq=False)
class HammingIndex:
    """An index of hashes that finds all of them within `radius` of others."""

    hashes: np.ndarray  # uint64 [M]
    radius: int
    bands: tuple[Band, ...]

    def pairs(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every pair of a query and a hash at distance `radius` or less, once.

        Args:
            queries: uint64 [n].

        Returns:
            indices of queries, indices of hashes, their distances: int64 [p] each, ordered by query, then hash.
        """
        size = max(1, len(self.hashes))
        keys = [
            queried * size + item
            for part in self._parts(len(queries))
            for band in self.bands
            for queried, item in [self._near(band, queries, part)]
        ]
        # One number per pair: a pair that is close in several bands counts once.
        unique = np.unique(np.concatenate([np.empty(0, np.int64), *keys]))
        queried, item = np.divmod(unique, size)
        return queried, item, np.bitwise_count(queries[queried] ^ self.hashes[item]).astype(np.int64)

    def _parts(self, count: int) -> Iterator[slice]:
        probes = max((len(band.masks) for band in self.bands), default=1)
        step = max(1, LOOKUPS // probes)
        return (slice(start, min(start + step, count)) for start in range(0, count, step))

    def _near(self, band: Band, queries: np.ndarray, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Pairs whose values in this band are close and whose whole distance is within the radius."""
        value = (band.values(queries[part])[:, None] ^ band.masks).ravel()
        first, count = band.starts[value], band.starts[value + 1] - band.starts[value]
        # Most lookups find nothing, and go no further.
        hit = np.flatnonzero(count)
        queried, items = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for hits in _chunks(hit, count[hit]):
            first_of, count_of = first[hits], count[hits]
            before = np.cumsum(count_of) - count_of
            within = np.arange(count_of.sum()) - np.repeat(before, count_of)
            item = band.items[np.repeat(first_of, count_of) + within]
            query = np.repeat(hits // len(band.masks) + part.start, count_of)
            near = np.bitwise_count(queries[query] ^ self.hashes[item]) <= self.radius
            queried.append(query[near])
            items.append(item[near])
        return np.concatenate(queried), np.concatenate(items)


def hamming_index(hashes: np.ndarray, radius: int) -> HammingIndex:
    """The index of hashes uint64 [M] for a radius of 0 to 20. Memory: about 8 bytes per hash and band."""
    assert 0 <= radius <= 20, f"radius {radius}"
    # At least 3 bands, so that none is wider than MAX_WIDTH bits.
    best = min(range(3, 9), key=lambda count: _cost(count, radius, len(hashes)))
    bands = [_band(hashes, shift, width, errors) for shift, width, errors in _plan(best, radius)]
    return HammingIndex(hashes, radius, tuple(bands))


def _plan(count: int, radius: int) -> list[tuple[int, int, int]]:
    """(shift, width, errors) of each of `count` bands: the differing bits that must be looked up there.

    With radius = count * e + a, it is enough to allow e errors in a + 1 bands and e - 1 in the others: if a pair
    exceeded all of these, its distance would be at least (a + 1)(e + 1) + (count - a - 1) e = radius + 1.
    """
    errors, more = divmod(radius, count)
    edges = [BITS * i // count for i in range(count + 1)]
    plan = [(edges[i], edges[i + 1] - edges[i], errors - (i > more)) for i in range(count)]
    return [(shift, width, allowed) for shift, width, allowed in plan if allowed >= 0]


def _cost(count: int, radius: int, hashes: int) -> float:
    """Expected work of one query: its lookups, and the hashes that these lead to."""
    return float(sum(len(_masks(width, errors)) * (1 + hashes / 2**width) for _, width, errors in _plan(count, radius)))


def _band(hashes: np.ndarray, shift: int, width: int, errors: int) -> Band:
    assert width <= MAX_WIDTH
    values = _values(hashes, shift, (1 << width) - 1)
    starts = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=1 << width))])
    return Band(shift, _masks(width, errors), starts, np.argsort(values, kind="stable"))


def _values(hashes: np.ndarray, shift: int, mask: int) -> np.ndarray:
    return ((hashes >> np.uint64(shift)) & np.uint64(mask)).astype(np.int64)


def _masks(width: int, errors: int) -> np.ndarray:
    """All numbers of `width` bits with at most `errors` of them set, 0 first: int64 [probes]."""
    subsets = (bits for count in range(errors + 1) for bits in combinations(range(width), count))
    return np.array([sum(1 << bit for bit in bits) for bits in subsets], np.int64)


def _chunks(hits: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """The hits in parts that each lead to about LOOKUPS hashes."""
    if len(hits):
        edges = np.flatnonzero(np.diff(np.cumsum(counts) // LOOKUPS)) + 1
        yield from np.split(hits, edges)

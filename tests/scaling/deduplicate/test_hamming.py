"""The index against all pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.deduplicate import hamming
from scaling.deduplicate.hamming import hamming_index


def near(rng: np.random.Generator, hashes: np.ndarray, count: int) -> np.ndarray:
    """Queries that differ from some of the hashes in 0 to 20 bits."""
    bits = np.array([rng.permutation(64)[: rng.integers(21)].tolist() for _ in range(count)], object)
    masks = np.array([sum(1 << int(bit) for bit in some) for some in bits], np.uint64)
    return rng.choice(hashes, count) ^ masks


@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.integers(1, 60))
def test_every_pair_within_the_radius_is_found_once_and_no_other(seed: int, radius: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, np.uint64)
    queries = np.concatenate([near(rng, hashes, 20), rng.integers(0, 2**64, 5, np.uint64)])
    distances = np.bitwise_count(queries[:, None] ^ hashes)
    expected = np.argwhere(distances <= radius)
    queried, items, distance = hamming_index(hashes, radius).pairs(queries)
    assert np.array_equal(np.stack([queried, items], 1), expected)
    assert np.array_equal(distance, distances[tuple(expected.T)])


@pytest.mark.parametrize("count", range(3, 9))
@pytest.mark.parametrize("radius", [0, 5, 10])
def test_any_number_of_bands_finds_all(count: int, radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "_cost", lambda bands, *rest: abs(bands - count))
    monkeypatch.setattr(hamming, "LOOKUPS", 1000)  # so that parts and chunks are cut
    rng = np.random.default_rng(count)
    hashes = rng.integers(0, 2**64, 200, np.uint64)
    queries = near(rng, hashes, 100)
    made = hamming_index(hashes, radius)
    assert len(made.bands) == min(count, radius + 1)
    pairs = np.argwhere(np.bitwise_count(queries[:, None] ^ hashes) <= radius)
    assert np.array_equal(np.stack(made.pairs(queries)[:2], 1), pairs)


def test_nothing_among_nothing() -> None:
    empty, one = np.empty(0, np.uint64), np.ones(1, np.uint64)
    for hashes, queries in ((empty, one), (one, empty), (empty, empty)):
        assert [len(column) for column in hamming_index(hashes, 3).pairs(queries)] == [0, 0, 0]

import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.randomness import Rest, batch_at, below, holdout, permute, permute_in_windows, shard, uniforms, words


@given(st.integers(1, 3000), st.integers(-(2**70), 2**70))
def test_permute_is_a_bijection(n: int, key: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(n), n, key)), np.arange(n))


def test_permute_large_ranges_stay_inside_and_do_not_collide() -> None:
    n = 3 * 10**12
    out = permute(np.arange(n - 50_000, n), n, (1, 2))
    assert out.min() >= 0
    assert out.max() < n
    assert len(np.unique(out)) == 50_000


def test_permute_depends_on_the_whole_key_and_takes_a_key_a_position() -> None:
    positions = np.arange(1000)
    orders = [permute(positions, 1000, key) for key in (0, 1, (0, 1), (1, 0), (0, 1, 0))]
    assert all((a == b).mean() < 0.01 for i, a in enumerate(orders) for b in orders[:i])
    epochs = np.repeat([4, 5], 500)
    mixed = permute(positions, 1000, (7, epochs))
    assert np.array_equal(mixed[:500], permute(positions[:500], 1000, (7, 4)))
    assert np.array_equal(mixed[500:], permute(positions[500:], 1000, (7, 5)))


def test_permute_spreads_evenly() -> None:
    first = permute(np.zeros(60_000, np.int64), 6, (0, np.arange(60_000)))
    counts = np.bincount(first, minlength=6)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 25  # chi squared, 5 degrees of freedom: p = 1e-4


@pytest.mark.parametrize(("n", "position"), [(0, 0), (2**63, 0), (5, 5), (5, -1)])
def test_permute_refuses_what_is_outside(n: int, position: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        permute(np.array([position]), n, 0)


def test_uniforms_are_a_function_of_their_arguments() -> None:
    index, epoch = np.arange(1000), np.arange(1000) % 3
    u = uniforms(1, epoch, index, 8)
    order = np.random.default_rng(0).permutation(1000)
    assert np.array_equal(uniforms(1, epoch[order], index[order], 8), u[order])
    assert np.array_equal(uniforms(1, epoch, index, 5), u[:, :5])
    assert np.array_equal(uniforms(1, 2, index[2::3], 8), u[2::3])
    assert not np.isin(uniforms(2, epoch, index, 8), u).any()


def test_uniforms_look_uniform_and_independent() -> None:
    u = uniforms(0, 0, np.arange(50_000), 4)
    assert u.min() >= 0
    assert u.max() < 1
    assert np.abs(u.mean(axis=0) - 0.5).max() < 0.006
    assert np.abs(u.var(axis=0) - 1 / 12).max() < 0.002
    both = np.hstack([u[:-1], u[1:]])
    assert np.abs(np.corrcoef(both.T) - np.eye(8)).max() < 0.02


def test_words_fill_all_bits() -> None:
    bits = np.unpackbits(words(3, 1, np.arange(5000), 2).view(np.uint8)).reshape(-1, 64)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.03


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 5))
def test_stream_shows_every_image_once_an_epoch(n: int, batch_size: int, seed: int) -> None:
    steps = -(-3 * n // batch_size)
    parts = [batch_at(step, batch_size, n, seed) for step in range(steps)]
    epochs, indices = (np.concatenate(part) for part in zip(*parts, strict=True))
    for epoch in range(3):
        assert np.array_equal(np.sort(indices[epochs == epoch])[:n], np.arange(n))
    assert np.array_equal(epochs, np.arange(steps * batch_size) // n)


@settings(max_examples=40)
@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 5), st.booleans())
def test_repeats_are_copies_in_a_batch_and_leave_the_share_of_each_image(
    n: int, different: int, repeats: int, by_shard: bool
) -> None:
    shards = np.array([n // 2, n - n // 2]) if by_shard and n > 1 else None
    steps = -(-2 * n // different)  # two passes, at least
    parts = [batch_at(step, different * repeats, n, 3, shards, 1, repeats) for step in range(steps)]
    for step, (epochs, indices) in enumerate(parts):
        once = batch_at(step, different, n, 3, shards, 1)
        assert np.array_equal(indices, np.tile(once[1], repeats))
        assert np.array_equal(epochs // repeats, np.tile(once[0], repeats))  # a pass takes `repeats` epochs
    seen = np.concatenate([np.stack(part, 1) for part in parts])
    assert len(np.unique(seen, axis=0)) == len(seen)  # no copy has the randomness of another
    first = seen[seen[:, 0] < repeats]
    assert np.bincount(first[:, 1], minlength=n).tolist() == [repeats] * n


def test_epochs_have_orders_of_their_own() -> None:
    a, b = (batch_at(step, 1000, 1000, 0)[1] for step in (0, 1))
    assert (a == b).mean() < 0.01
    with pytest.raises(ValueError, match="0 images"):
        batch_at(0, 8, 0, 0)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_shards_are_the_batch(world: int) -> None:
    batch = batch_at(5, 32, 50, 1)
    parts = [shard(batch, rank, world) for rank in range(world)]
    for whole, pieces in zip(batch, zip(*parts, strict=True), strict=True):
        assert np.array_equal(np.concatenate(pieces), whole)
    assert len({len(part[0]) for part in parts}) <= 2
    with pytest.raises(ValueError, match="rank"):
        shard(batch, world, world)


@given(st.integers(1, 200), st.integers(1, 20), st.sampled_from([1, 2]))
def test_shares_differ_by_one_image_or_pair(size: int, world: int, tied: int) -> None:
    """And are those of an equal division where there is one."""
    batch = (np.arange(size),)
    parts = [shard(batch, rank, world, tied)[0] for rank in range(world)]
    assert np.array_equal(np.concatenate(parts), batch[0])
    lengths = [len(part) for part in parts]
    if size % tied == 0:
        assert max(lengths) - min(lengths) in (0, tied)
        assert min(lengths) > 0 or world > size // tied
        assert all(part[0] % tied == 0 for part in parts if len(part))  # no pair is cut
    if size % (tied * world) == 0:
        assert lengths == [size // world] * world


@pytest.mark.parametrize(("n", "fraction"), [(1000, 0.1), (1, 0.1), (7, 0.5), (10, 0.0), (10, 1.0), (0, 0.5)])
def test_holdout_splits_without_overlap(n: int, fraction: float) -> None:
    train, dev = holdout(n, fraction, 3)
    assert len(dev) == round(fraction * n)
    everything = np.concatenate([train[np.arange(len(train))], dev])
    assert np.array_equal(np.sort(everything), np.arange(n))
    assert np.array_equal(holdout(n, fraction, 3)[1], dev)


def test_holdout_depends_on_the_key() -> None:
    assert not np.array_equal(holdout(1000, 0.1, 0)[1], holdout(1000, 0.1, 1)[1])
    with pytest.raises(ValueError, match="fraction"):
        holdout(10, 1.5, 0)


def peak(work: Callable[[], object]) -> int:
    """Bytes allocated at the same time, at most."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_range() -> None:
    positions = np.arange(1000)
    small, *larger = (peak(partial(permute, positions, n, (3, 4))) for n in (10**3, 10**6, 10**9, 10**12))
    assert max(larger) < small + 20_000  # of 1000 positions; a permutation of the smallest other range takes 8 MB
    batches = [peak(partial(batch_at, 10**6, 1000, n, 0)) for n in (10**3, 10**12)]
    assert batches[1] < batches[0] + 20_000


@given(st.integers(1, 10**12), st.integers(0, 10**9), st.integers(1, 64), st.integers(0, 2**40))
def test_any_number_of_workers_sees_one_order(n: int, step: int, share: int, seed: int) -> None:
    """Which follows from (epoch, position in it) alone: nothing of the steps before is needed."""
    epochs, indices = whole = batch_at(step, 8 * share, n, seed)
    for world in (1, 2, 4, 8):
        parts = [shard(whole, rank, world)[1] for rank in range(world)]
        assert np.array_equal(np.concatenate(parts), indices)
    place = step * 8 * share + np.arange(8 * share)
    for i in (0, -1):
        epoch, position = divmod(int(place[i]), n)
        assert (epochs[i], indices[i]) == (epoch, permute(np.array([position]), n, (seed, epoch))[0])


SHARDS = st.lists(st.integers(0, 20), min_size=1, max_size=12).filter(sum)


@given(SHARDS, st.integers(1, 15), st.integers(0, 2**40))
def test_windows_of_shards_are_a_bijection(sizes: list[int], window: int, key: int) -> None:
    shards, n = np.array(sizes), sum(sizes)
    order = permute_in_windows(np.arange(n), shards, window, (key,))
    assert np.array_equal(np.sort(order), np.arange(n))
    some = np.random.default_rng(0).integers(0, n, 10)
    assert np.array_equal(permute_in_windows(some, shards, window, (key,)), order[some])
    if window >= len(shards):
        assert np.array_equal(order, permute(np.arange(n), n, (key,)))


@given(SHARDS, st.integers(1, 15), st.integers(0, 2**40))
def test_a_reader_holds_one_window_of_shards(sizes: list[int], window: int, key: int) -> None:
    """No more than `window` shards are begun and not yet at their end."""
    shards, n = np.array(sizes), sum(sizes)
    order = permute_in_windows(np.arange(n), shards, window, (key,))
    belongs = np.searchsorted(np.cumsum(shards), order, side="right").tolist()
    open_now: set[int] = set()
    left = dict(enumerate(sizes))
    for number in belongs:
        open_now.add(number)
        assert len(open_now) <= window
        left[number] -= 1
        if not left[number]:
            open_now.remove(number)


def test_windows_mix_their_shards_and_change_with_the_epoch() -> None:
    shards = np.full(64, 100)
    orders = [permute_in_windows(np.arange(6400), shards, 8, (0, epoch)) for epoch in (0, 1)]
    assert (orders[0] == orders[1]).mean() < 0.01
    windows = [{frozenset((order[i : i + 800] // 100).tolist()) for i in range(0, 6400, 800)} for order in orders]
    assert windows[0] != windows[1]  # other shards meet
    assert all(len(window) == 8 for window in windows[0])
    first = orders[0][:400] // 100
    assert np.bincount(first, minlength=64).max() < 90  # not shard after shard


@settings(max_examples=30)
@given(SHARDS, st.integers(20, 60), st.integers(1, 6), st.integers(0, 5))
def test_stream_of_windows_shows_every_image_once_an_epoch(
    sizes: list[int], batch_size: int, window: int, seed: int
) -> None:
    n, shards = sum(sizes), np.array(sizes)
    parts = [batch_at(step, batch_size, n, seed, shards, window) for step in range(-(-2 * n // batch_size))]
    epochs, indices = (np.concatenate(part) for part in zip(*parts, strict=True))
    for epoch in range(2):
        assert np.array_equal(np.sort(indices[epochs == epoch])[:n], np.arange(n))


def test_windows_need_no_permutation_of_the_images() -> None:
    few, many = (np.full(1000, size) for size in (10, 3 * 10**8))
    positions = np.arange(1000)
    memory = [peak(partial(permute_in_windows, positions, s, 16, (1,))) for s in (few, many)]
    assert memory[1] < memory[0] + 50_000
    with pytest.raises(ValueError, match="positions must be in"):
        permute_in_windows(np.array([10_000]), few, 16, (1,))


@given(n=st.integers(1, 200), data=st.data())
def test_the_rest_is_the_array_of_what_is_not_held_out(n: int, data: st.DataObject) -> None:
    held = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), np.int64)
    rest, expected = Rest(n, held), np.setdiff1d(np.arange(n), held)
    assert len(rest) == len(expected)
    assert np.array_equal(rest[np.arange(len(rest))], expected)
    bounds = np.arange(n + 1)
    assert np.array_equal(below(rest, bounds), below(expected, bounds))


def test_what_is_trained_on_needs_the_memory_of_what_is_held_out() -> None:
    n = 303 * 10**6
    assert peak(lambda: holdout(n, 0.0, 0)[0][np.array([n - 1])]) < 10_000
    held = n // 10_000
    assert peak(lambda: holdout(n, 1e-4, 0)[0][np.array([0])]) < 200 * held

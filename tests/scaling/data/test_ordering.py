import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data.ordering import batch_at, holdout, permute, shard, uniforms, words


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


@pytest.mark.parametrize(("n", "fraction"), [(1000, 0.1), (1, 0.1), (7, 0.5), (10, 0.0), (10, 1.0), (0, 0.5)])
def test_holdout_splits_without_overlap(n: int, fraction: float) -> None:
    train, dev = holdout(n, fraction, 3)
    assert len(dev) == round(fraction * n)
    assert np.array_equal(np.sort(np.concatenate([train, dev])), np.arange(n))
    assert np.array_equal(holdout(n, fraction, 3)[1], dev)


def test_holdout_depends_on_the_key() -> None:
    assert not np.array_equal(holdout(1000, 0.1, 0)[1], holdout(1000, 0.1, 1)[1])
    with pytest.raises(ValueError, match="fraction"):
        holdout(10, 1.5, 0)

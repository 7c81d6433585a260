"""The order of the samples and the random numbers of augmentation, as pure functions of seed, epoch and index.

Nothing is drawn from a generator with a state: sample p of the stream is the same on one worker and on eight, and after
a restart. The hash is SplitMix64 (Steele, Lea and Flood 2014, 'Fast splittable pseudorandom number
generators'); permutations are Feistel networks with cycle walking (Black and Rogaway 2002, 'Ciphers with arbitrary
finite domains').
"""

from dataclasses import dataclass

import numpy as np

Key = int | tuple[int | np.ndarray, ...]

GOLDEN = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, odd: SplitMix64's increment
MASK = 2**64 - 1
ROUNDS = 8  # of the Feistel network


def _words(value: int | np.ndarray) -> np.ndarray:
    """uint64 [n] or [1], modulo 2**64. Always arrays: NumPy warns when scalars overflow, but not when arrays do."""
    if isinstance(value, np.ndarray):
        return np.atleast_1d(value).astype(np.uint64)
    return np.array([int(value) & MASK], np.uint64)


def _mix(z: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: a bijection of uint64 in which every bit of the input moves every bit of the output."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed


def _hash(key: Key) -> np.ndarray:
    """One uint64 for a key; entries that are arrays broadcast."""
    entries = key if isinstance(key, tuple) else (key,)
    # Starts from the length, so that (a,) and (a, 0) have nothing in common.
    state = _words(len(entries))
    for entry in entries:
        state = _mix(_mix(state + np.uint64(GOLDEN)) ^ _words(entry))
    return state


def _feistel(x: np.ndarray, keys: np.ndarray, half: int) -> np.ndarray:
    """A bijection of range(2**(2 * half)) applied to uint64 [n]; `keys` uint64 [n] or [1] choose it."""
    bits, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = x >> bits, x & mask
    for i in range(ROUNDS):
        mixed = _mix(keys + right * np.uint64(GOLDEN) + np.uint64(i * 0xD1B54A32D192ED03 & MASK))
        left, right = right, left ^ (mixed >> np.uint64(64 - half))
    return (left << bits) | right


def permute(position: np.ndarray, n: int, key: Key) -> np.ndarray:
    """Where a pseudo-random bijection of range(n) takes each position, in O(1) memory.

    Args:
        position: int64 [m], each in range(n).
        n: size of the range, 1 to 2**62.
        key: chooses the bijection; entries may be arrays [m], one for each position.

    Returns:
        int64 [m]. Raises ValueError for an n or positions outside their range.
    """
    if not 1 <= n <= 2**62:
        raise ValueError(f"cannot permute {n} positions: must be 1 to 2**62")
    x = np.asarray(position, np.int64)
    if len(x) and (x.min() < 0 or x.max() >= n):
        raise ValueError(f"positions must be in [0, {n}), got {x.min()} to {x.max()}")
    keys = np.broadcast_to(_hash(key), x.shape)
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    y = _feistel(x.astype(np.uint64), keys, half)
    # The network permutes the next power of 4: positions that leave range(n) walk on along their cycle until they are
    # back in it, at most 4 steps on average.
    while len(outside := np.flatnonzero(y >= n)):
        y[outside] = _feistel(y[outside], keys[outside], half)
    return y.astype(np.int64)


def words(seed: int, epoch: int | np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """Random bits of sample `index` in `epoch`, uint64 [n, count]; arguments as for `uniforms`."""
    base = np.broadcast_to(_hash((seed, epoch, index)), np.shape(index))
    return _mix(base[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN))


def uniforms(seed: int, epoch: int | np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """Uniform random numbers of sample `index` in `epoch`, a function of the arguments alone.

    Args:
        seed: the run's seed.
        epoch: int or int64 [n].
        index: int64 [n].
        count: how many for each sample; the first ones stay the same when it grows.

    Returns:
        float64 [n, count] in [0, 1), in steps of 2**-53.
    """
    # 53 bits, which is what a float64 holds.
    return (words(seed, epoch, index, count) >> np.uint64(11)) * 2.0**-53


def permute_in_windows(position: np.ndarray, shards: np.ndarray, window: int, key: tuple[int, ...]) -> np.ndarray:
    """Where a pseudo-random bijection that keeps the images of a few shards together takes each position.

    The shards are put into a random order and divided into windows of `window` shards; the images of a window are
    permuted among themselves, and one window follows the other. So a reader of the stream reads from `window` shards at
    a time. A window of all shards is the same as `permute`. Memory is O(shards).

    Args:
        position: int64 [m], each in range(sum of shards).
        shards: int64 [s], number of images in each shard, in the order of their indices.
        window: number of shards that are shuffled together.
        key: chooses the bijection.

    Returns:
        int64 [m]. Raises ValueError for positions outside the range.
    """
    n = int(shards.sum())
    if window >= len(shards):
        return permute(position, n, key)
    if len(position) and (position.min() < 0 or position.max() >= n):
        raise ValueError(f"positions must be in [0, {n}), got {position.min()} to {position.max()}")
    # Its key is longer than those of the windows below, none of which can be equal to it.
    order = permute(np.arange(len(shards)), len(shards), (*key, 0, 0))
    sizes, starts = shards[order], (np.cumsum(shards) - shards)[order]
    ends = np.cumsum(sizes)  # of the shards in their random order, before images are shuffled
    bounds = np.append(0, np.append(ends[window - 1 : -1 : window], n))  # of the windows
    windows = np.searchsorted(bounds, position, side="right") - 1
    shuffled = np.empty_like(position)
    for i in np.unique(windows):
        here, first = windows == i, bounds[i]
        shuffled[here] = first + permute(position[here] - first, int(bounds[i + 1] - first), (*key, int(i)))
    shard = np.searchsorted(ends, shuffled, side="right")
    indices: np.ndarray = starts[shard] + shuffled - (ends - sizes)[shard]
    return indices


def batch_at(
    step: int,
    batch_size: int,
    n: int,
    seed: int,
    shards: np.ndarray | None = None,
    window: int = 1,
    repeats: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """The samples of one step, of a stream of epochs that each have an order of their own.

    A batch may span two or more epochs. With `shards` the order of an epoch is that of `permute_in_windows`.

    With `repeats` the batch has batch_size / repeats images, so many times each: all of them once, then all again, so
    that neighbours differ and the copies are on different workers (as in DeiT's sampler). Each copy has an epoch of its
    own: a pass over the images takes `repeats` epochs, in which each is shown as often as without.

    Args:
        step: the optimizer step, from 0.
        batch_size: images per step, over all workers.
        n: number of images that are trained on.
        seed: the run's seed.
        shards: int64 [s], number of images in each shard, n in all; None: all images are shuffled.
        window: number of shards that are shuffled together.
        repeats: times that each image is in the batch; it divides batch_size.

    Returns:
        epochs int64 [batch_size], indices int64 [batch_size] in range(n). Raises ValueError for n = 0.
    """
    if n < 1:
        raise ValueError(f"cannot take batches of {n} images")
    different = batch_size // repeats
    position = step * different + np.arange(different, dtype=np.int64)
    passes, position = position // n, position % n
    if shards is None:
        indices = permute(position, n, (seed, passes))
    else:
        parts = [
            permute_in_windows(position[passes == number], shards, window, (seed, int(number)))
            for number in np.unique(passes)
        ]
        indices = np.concatenate(parts)
    epochs = passes * repeats + np.arange(repeats)[:, None]
    return epochs.ravel(), np.tile(indices, repeats)


def shard(arrays: tuple[np.ndarray, ...], rank: int, world: int, tied: int = 1) -> tuple[np.ndarray, ...]:
    """Worker `rank`'s contiguous slice of a global batch. The slices of all workers, in order, are the batch.

    They are of equal length where the number of workers divides, else they differ by `tied`: so many entries, from
    the first of the batch on, stay on one worker.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} is not in range({world})")
    groups = -(-len(arrays[0]) // tied)
    start, end = (tied * (groups * worker // world) for worker in (rank, rank + 1))
    return tuple(array[start:end] for array in arrays)


@dataclass(frozen=True, eq=False)
class Rest:
    """The numbers of range(n) that are not held out, ascending: indexed like their array, without its memory."""

    n: int
    held: np.ndarray  # int64 [d], ascending, each once

    def __len__(self) -> int:
        return self.n - len(self.held)

    def __getitem__(self, position: np.ndarray) -> np.ndarray:
        """The numbers at positions [m], int64 [m]."""
        gaps = self.held - np.arange(len(self.held))  # how many of the rest come before each held-out number
        return position + np.searchsorted(gaps, position, side="right")

    def below(self, bounds: np.ndarray) -> np.ndarray:
        """How many of the numbers are below each bound [m]: int64 [m]."""
        return bounds - np.searchsorted(self.held, bounds)


Index = np.ndarray | Rest  # numbers of images, ascending


def below(index: Index, bounds: np.ndarray) -> np.ndarray:
    """How many numbers of the index are below each bound [m]: int64 [m]."""
    return index.below(bounds) if isinstance(index, Rest) else np.searchsorted(index, bounds)


def holdout(n: int, fraction: float, key: Key) -> tuple[Rest, np.ndarray]:
    """A random split of range(n): training indices, and dev indices int64 [round(fraction * n)], both ascending.

    Raises ValueError for a fraction outside [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction of the dev split must be in [0, 1], got {fraction}")
    dev = np.sort(permute(np.arange(round(fraction * n)), max(n, 1), key))
    return Rest(n, dev), dev


def hashed(*entries: int) -> int:
    """One seed of 63 bits from several integers."""
    return int(_hash(entries)[0] >> np.uint64(1))

"""The training images of one worker, batch after batch, each made while others are trained on.

Small images, which lie decoded in memory, are cropped by a thread of this process. Photographs are decoded and cropped
by processes of their own where the worker has cores for them (`Device.loaders`); what they make is the same whatever
their number. The processes are those of PyTorch's DataLoader, which keeps the order, hands tensors over in shared
memory and notices a process that died. They are forked off a server that has the imports done, so that the first
training waits for one import and later ones for none.

Memory: batches are uint8. At most AHEAD + 1 of them exist, and with processes PREFETCH blocks of BLOCK images for each.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, cached_property
from multiprocessing.context import BaseContext
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from scaling.data.pipeline.preprocessing import BLOCK, Skipped, has_small, is_small, replaced, train_images
from scaling.data.sources import CorruptImageError, Images, open_split
from scaling.randomness import Index, batch_at, below, shard
from scaling.specs import Recipe
from scaling.store import Storage

T = TypeVar("T")
Batch = tuple[Tensor, Tensor]  # images uint8 [b, 3, R, R], labels int64 [b]: this worker's share
Targets = Callable[[np.ndarray, np.ndarray], Tensor]  # (epochs [b], indices [b]) -> [b, ...]
Samples = tuple[np.ndarray, np.ndarray]  # epochs int64 [n], indices int64 [n]
AHEAD = 2  # batches made ahead of the one that is trained on
PREFETCH = 2  # blocks that each process has finished or under way


@dataclass(frozen=True)
class Block:
    """Finished images of a batch."""

    pixels: Tensor  # uint8 [n, 3, R, R]
    shown: np.ndarray  # int64 [n], which images they are
    skipped: Skipped  # the corrupt ones met on the way


@dataclass(frozen=True, eq=False)
class Stream:
    """What a worker trains on: its share of every batch is a pure function of these values and the step."""

    uri: str
    cache: Storage | None  # of built-in sets
    index: Index  # the images to train on
    recipe: Recipe  # batch size and augmentation
    seed: int
    resolution: int
    window: int | None = None  # shards that are shuffled together; None: all images
    skip: bool = False  # a corrupt image is replaced by the next one; else it raises CorruptImageError
    rank: int = 0
    world: int = 1

    @property
    def images(self) -> Images:
        return open_split(self.uri, self.cache)

    @cached_property
    def shards(self) -> np.ndarray | None:
        """How many of the images to train on lie in each shard."""
        if self.window is None:
            return None
        bounds = np.append(0, np.cumsum(self.images.shards))
        counts = np.diff(below(self.index, bounds))
        return counts[counts > 0]

    def samples(self, step: int) -> Samples:
        """The epochs and indices of this worker's share of the batch."""
        everyone = batch_at(step, self.recipe.batch_size, len(self.index), self.seed, self.shards, self.window or 1)
        epochs, positions = shard(everyone, self.rank, self.world)
        return epochs, self.index[positions]

    def block(self, samples: Samples) -> Block:
        """Samples made into images. Raises CorruptImageError."""
        epochs, indices = samples
        try:
            return Block(self._augmented(epochs, indices, indices), indices, {})
        except CorruptImageError:
            if not self.skip:
                raise
        if len(indices) > BLOCK:  # most of it is whole
            return _joined(map(self.block, _cut(samples, BLOCK)), len(indices))
        skipped: Skipped = {}
        shown = replaced(self.images, indices, self.index, skipped)
        return Block(self._augmented(epochs, indices, shown), shown, skipped)

    def _augmented(self, epochs: np.ndarray, indices: np.ndarray, shown: np.ndarray) -> Tensor:
        return train_images(
            self.images,
            indices,
            epochs,
            seed=self.seed,
            resolution=self.resolution,
            crop=self.recipe.crop,
            min_crop_area=self.recipe.min_crop_area,
            resize=self.recipe.resize,
            flip=self.recipe.flip,
            shown=shown,
        )


def batches(
    start: int, stop: int, *, stream: Stream, skipped: Skipped, loaders: int = 0, targets: Targets | None = None
) -> Iterator[Batch]:
    """The batches of steps `start` to `stop - 1`.

    Args:
        start, stop: steps.
        stream: what to train on.
        skipped: corrupt images are noted here when their batch is handed out.
        loaders: processes that make photographs ready; 0: threads of this process do.
        targets: makes what stands in for the labels, from the samples' epochs and indices.

    Raises CorruptImageError, unless they are skipped, with the batch that holds the image.
    """
    images = stream.images
    if not stream.skip and has_small(images):
        _ = images.dense  # all of them are decoded here, so a corrupt one is told at once
    loaders = 0 if is_small(images) else loaders
    size = BLOCK if loaders else stream.recipe.batch_size
    requests = (part for step in range(start, stop) for part in _cut(stream.samples(step), size))
    blocks = _by_processes(stream, requests, loaders) if loaders else (stream.block(part) for part in requests)

    def batch(step: int) -> tuple[Batch, Skipped]:
        epochs, indices = stream.samples(step)
        whole = _joined(blocks, len(indices))
        labels = targets(epochs, indices) if targets else torch.from_numpy(images.labels[whole.shown])
        return (whole.pixels, labels), whole.skipped

    try:
        for made, met in prefetched(batch, start, stop):
            skipped.update(met)
            yield made
    finally:
        blocks.close()


def _cut(samples: Samples, size: int) -> Iterator[Samples]:
    epochs, indices = samples
    for start in range(0, len(indices), size):
        yield epochs[start : start + size], indices[start : start + size]


def _joined(blocks: Iterator[Block], count: int) -> Block:
    """The next blocks that are `count` images together, as one."""
    block = next(blocks)
    if len(block.shown) == count:
        return block
    pixels, end = block.pixels.new_empty((count, *block.pixels.shape[1:])), 0
    shown: list[np.ndarray] = []
    skipped: Skipped = {}
    while True:
        start, end = end, end + len(block.shown)
        pixels[start:end] = block.pixels
        shown.append(block.shown)
        skipped |= block.skipped
        if end == count:
            return Block(pixels, np.concatenate(shown), skipped)
        block = next(blocks)


def prefetched(make: Callable[[int], T], start: int, stop: int) -> Iterator[T]:
    """make(start), ..., make(stop - 1), in this order, by a thread that is AHEAD of who takes them."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
    try:
        under_way = deque(pool.submit(make, step) for step in range(start, min(start + AHEAD, stop)))
        for step in range(start, stop):
            if step + AHEAD < stop:
                under_way.append(pool.submit(make, step + AHEAD))
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Blocks(Dataset):
    """A stream as the DataLoader's processes read it; what went wrong with the data comes back as a value."""

    def __init__(self, stream: Stream) -> None:
        no_index = np.array([], np.int64)  # it is needed for replacements
        self._stream = stream if stream.skip else replace(stream, index=no_index)

    def __getitem__(self, samples: Samples) -> Block | Exception:
        try:
            return self._stream.block(samples)
        except (ValueError, OSError) as error:
            return error


def _by_processes(stream: Stream, requests: Iterator[Samples], loaders: int) -> Generator[Block]:
    """The blocks in the order of the requests. Its processes end with it."""
    loader = DataLoader(
        _Blocks(stream),
        batch_size=None,  # a request is a block
        sampler=requests,
        num_workers=loaders,
        prefetch_factor=PREFETCH,
        collate_fn=_same,
        worker_init_fn=_end_with_trainer,
        multiprocessing_context=_fork_server(),
        generator=torch.Generator(),  # torch's own is left as it is
    )
    for block in loader:
        if isinstance(block, Exception):
            raise block
        yield block


@cache
def _fork_server() -> BaseContext:
    """Where processes come from: forked off one that has imported what they need and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _same(block: T) -> T:
    return block


def _end_with_trainer(number: int) -> None:
    """A process whose trainer is killed ends too: the fork server between them would keep it."""

    def watch() -> None:
        trainer = multiprocessing.parent_process()
        assert trainer is not None
        trainer.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

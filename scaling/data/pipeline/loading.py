"""The training images of one worker, batch by batch, each prepared while earlier ones are trained on.

Small images, which lie decoded in memory, are cropped by a thread of this process. Photographs, and whatever is
augmented, are made ready by loader processes where the worker has cores for them; the batches are the same whatever
their number. The processes are those of PyTorch's DataLoader, which keeps the order, passes tensors through shared
memory and notices when one of them dies. They are forked from a server that has done the imports, so that the first
training waits for one import and later ones for none.

Memory: batches are uint8. At most AHEAD + 1 of them exist, and PREFETCH blocks of BLOCK images per loader process.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from multiprocessing.context import BaseContext
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from scaling.data.pipeline.prefetch import prefetched
from scaling.data.pipeline.preprocessing import BLOCK, Batch, Skipped, has_small, is_small, replaced, train_images
from scaling.data.sources import CorruptImageError, Images, open_split
from scaling.randomness import Index, batch_at, below, shard
from scaling.specs import Recipe
from scaling.store import Storage

T = TypeVar("T")
Targets = Callable[[np.ndarray, np.ndarray], Tensor]  # (epochs [b], indices [b]) -> [b, ...]
Samples = tuple[np.ndarray, np.ndarray]  # epochs int64 [n], indices int64 [n]
PREFETCH = 2  # blocks that each loader process has finished or is working on


@dataclass(frozen=True)
class Block:
    """Images of a batch, or of a part of one, ready to train on."""

    pixels: Tensor  # uint8 [n, 3, R, R]
    shown: np.ndarray  # int64 [n], indices of the images
    skipped: Skipped  # corrupt images that others replace here


@dataclass(frozen=True, eq=False)
class Stream:
    """What one worker trains on: its share of a batch is a pure function of these values and the step."""

    uri: str
    cache: Storage | None  # where built-in sets are kept
    index: Index  # indices of the images to train on
    recipe: Recipe  # batch size and augmentation
    seed: int
    resolution: int
    window: int | None = None  # number of shards that are shuffled together; None: shuffle all images
    skip: bool = False  # replace a corrupt image by the next one; False: raise CorruptImageError
    rank: int = 0  # of this worker
    world: int = 1  # number of workers

    @property
    def images(self) -> Images:
        # Opened once per process: a stream is sent to loaders as its URI, without any image.
        return open_split(self.uri, self.cache)

    @cached_property
    def shards(self) -> np.ndarray | None:
        """Number of the images to train on in each shard: int64 [s], none of them 0. None where all are shuffled."""
        if self.window is None:
            return None
        bounds = np.append(0, np.cumsum(self.images.shards))
        counts = np.diff(below(self.index, bounds))
        return counts[counts > 0]

    def samples(self, step: int) -> Samples:
        """The epochs and indices of this worker's share of a step's batch."""
        size, repeats = self.recipe.batch_size, self.recipe.repeats
        batch = batch_at(step, size, len(self.index), self.seed, self.shards, self.window or 1, repeats)
        epochs, positions = shard(batch, self.rank, self.world, self.recipe.tied)
        return epochs, self.index[positions]

    def block(self, samples: Samples) -> Block:
        """The images of some samples. Raises CorruptImageError unless these are skipped."""
        epochs, indices = samples
        try:
            return Block(self._augmented(epochs, indices, indices), indices, {})
        except CorruptImageError:
            if not self.skip:
                raise
        if len(indices) > BLOCK:  # block by block, so that only one is looked through image by image
            return _joined(map(self.block, _cut(samples, BLOCK)), len(indices))
        skipped: Skipped = {}
        shown = replaced(self.images, indices, self.index, skipped)
        # Crops stay those of `indices`, so that a skipped image changes nothing but itself.
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
            augment=self.recipe.augment,
            shown=shown,
        )


def batches(
    start: int, stop: int, *, stream: Stream, skipped: Skipped, loaders: int = 0, targets: Targets | None = None
) -> Generator[Batch]:
    """The batches of steps `start` to `stop - 1`.

    Args:
        start: the first step.
        stop: the step after the last one.
        stream: what to train on.
        skipped: corrupt images are added when their batch is handed out.
        loaders: number of processes that decode photographs and augment; 0: threads of this process do.
        targets: computes targets in place of the labels, from the samples' epochs and indices.

    Raises CorruptImageError, unless such images are skipped, in place of the batch that holds one.
    """
    images = stream.images
    if not stream.skip and has_small(images):
        _ = images.dense  # decodes all of them now, so that a corrupt one ends the run at its start
    # Small images alone take less time than their way between processes.
    loaders = 0 if is_small(images) and not stream.recipe.augment else loaders
    # Without loaders a request is a whole batch, which `train_images` divides among threads itself.
    size = BLOCK if loaders else stream.recipe.batch_size
    requests = (part for step in range(start, stop) for part in _cut(stream.samples(step), size))
    blocks = _by_processes(stream, requests, loaders) if loaders else (stream.block(part) for part in requests)

    def make(step: int) -> tuple[Batch, Skipped]:
        epochs, indices = stream.samples(step)  # again: the loaders' requests run ahead of this
        whole = _joined(blocks, len(indices))
        labels = targets(epochs, indices) if targets else torch.from_numpy(images.labels[whole.shown])
        return (whole.pixels, labels), whole.skipped

    try:
        for batch, corrupt in prefetched(make, start, stop):
            skipped.update(corrupt)
            yield batch
    finally:
        blocks.close()  # ends the loaders, however the training ended


def _cut(samples: Samples, size: int) -> Iterator[Samples]:
    """The samples in parts of `size`."""
    epochs, indices = samples
    for start in range(0, len(indices), size):
        yield epochs[start : start + size], indices[start : start + size]


def _joined(blocks: Iterator[Block], count: int) -> Block:
    """The next blocks, `count` images in all, as one block."""
    block = next(blocks)
    # A whole batch already, which needs no copy.
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


class _Blocks(Dataset[Block | Exception]):
    """A stream as the DataLoader's processes read it.

    Errors of the data are returned, not raised: DataLoader would wrap them into text with a traceback.
    """

    def __init__(self, stream: Stream) -> None:
        no_index = np.array([], np.int64)  # the index, large to send, is needed only to replace corrupt images
        self._stream = stream if stream.skip else replace(stream, index=no_index)

    def __getitem__(self, samples: Samples) -> Block | Exception:
        try:
            return self._stream.block(samples)
        except (ValueError, OSError) as error:
            return error


def _by_processes(stream: Stream, requests: Iterator[Samples], loaders: int) -> Generator[Block]:
    """The blocks in the order of the requests, made by processes that end with this generator."""
    loader = DataLoader(
        _Blocks(stream),
        batch_size=None,  # one request is one block
        sampler=requests,
        num_workers=loaders,
        prefetch_factor=PREFETCH,
        collate_fn=_unchanged,
        worker_init_fn=_end_with_trainer,
        multiprocessing_context=_fork_server(),
        generator=torch.Generator(),  # else a seed is drawn from torch's global generator, which dropout uses
    )
    for block in loader:
        if isinstance(block, Exception):
            raise block
        yield block


@cache
def _fork_server() -> BaseContext:
    """Processes are forked from a server that has imported what they need and, unlike this process, has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _unchanged(block: T) -> T:
    return block


def _end_with_trainer(number: int) -> None:
    """End this process when its trainer is killed: the fork server between the two would keep it alive."""

    def watch() -> None:
        trainer = multiprocessing.parent_process()
        assert trainer is not None
        trainer.join()
        os._exit(1)  # at once: sys.exit would end this thread alone

    threading.Thread(target=watch, daemon=True).start()

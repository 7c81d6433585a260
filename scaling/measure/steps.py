"""What one model costs on a device: images/s of inference by batch, the largest batch, a training step, the input.

Inference is that of the ViT paper's Figure 12 (§D.5), training our own loop's. `scaling.measure` is the command.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from scaling.checks import check
from scaling.data.pipeline import train_images
from scaling.data.sources import open_split
from scaling.measure import memory
from scaling.measure.timing import photographs, timed
from scaling.models import normalise, standardized
from scaling.specs import Recipe
from scaling.training import Device, accumulate, classification, make_optimizer

RECIPE = Recipe(head_bias=0.0)
WORSE = 2  # batches in a row that are no better than the best before no larger one is tried
ROUNDS = 3  # of which the median counts
INPUT_IMAGES = 256
RISE = 2**28  # bytes, of the peaks that a line is drawn through: noise is some MiB
DOUBLINGS = 16


@dataclass(frozen=True)
class Budget:
    """What a measurement may take."""

    seconds: float  # at least, of each timing
    batch: int  # images of inference, at most, while the best rate is looked for
    memory: int  # bytes


def inference(module: nn.Module, resolution: int, budget: Budget, device: Device) -> dict[int, float]:
    """Images/s by batch, until larger ones are no better or do not fit."""
    peak = 0

    def rate(batch: int) -> float | None:
        nonlocal peak
        if memory.beyond(2 * peak, budget.memory, device):
            return None
        work = memory.tried(lambda: partial(_forward, module, _images(batch, resolution, device)))
        if work is None:
            return None
        peak = memory.peak(work, device) or 0
        return batch / median_seconds(work, budget.seconds, device)

    with frozen(module, device):
        rates = doubled(rate, budget.batch)
    check(rates != {}, f"not even one image of {resolution} pixels fits the memory of {device.name}")
    return rates


def doubled(rate: Callable[[int], float | None], most: int) -> dict[int, float]:
    """Rates of the batches 1, 2, 4, ... up to `most`, until WORSE in a row are below the best, or None: no room."""
    found: dict[int, float] = {}
    batch, best = 1, 1
    while batch <= most and (value := rate(batch)) is not None:
        found[batch] = value
        best = max(found, key=found.__getitem__)
        if batch >= best << WORSE:
            break
        batch *= 2
    return found


def largest_batch(
    module: nn.Module, resolution: int, device: Device, limit: int, start: int
) -> tuple[str | None, int | None]:
    """(how it was found, largest batch of inference within the limit in bytes), from peaks at `start` images and more.

    On a GPU what the line through the peaks promises is tried, and a twentieth less until there is room.
    """

    def forward(batch: int) -> Callable[[], object]:
        return partial(_forward, module, _images(batch, resolution, device))

    with frozen(module, device):
        peaks: list[int] = []
        while not peaks or (peaks[-1] - peaks[0] < RISE and peaks[-1] < limit / 2 and len(peaks) < DOUBLINGS):
            peak = memory.peak(forward(start << len(peaks)), device)
            if peak is None:
                return None, None
            peaks.append(peak)
        found = memory.by_line([start << n for n in range(len(peaks))], peaks, limit)
        if found is None:
            return None, None
        if device.kind == "cuda":
            return "trial", memory.room(lambda batch: memory.tried(partial(forward, batch)) is not None, found)
    return "line", found


def training(
    module: nn.Module, classes: int, resolution: int, wanted: int, budget: Budget, device: Device
) -> tuple[int, float, int | None]:
    """(images, seconds, bytes at the highest) of a step as the loop makes it, on a batch that lies on the device.

    Of the wanted batch, or where there is no room for it of its half, its quarter, ...; compiled at that batch alone,
    where the device compiles.
    """
    module.train()
    optimizer, objective = make_optimizer(module, RECIPE), classification(RECIPE, seed=0)
    for group in optimizer.param_groups:
        group["lr"] = 1e-4  # a classifier that stays zero would send zeros back, which some chips multiply faster

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        accumulate(module, objective, 0, images, labels, device)
        optimizer.step()
        optimizer.zero_grad()

    def made(batch: int) -> Callable[[], None]:
        labels = torch.randint(classes, (batch,), device=device.torch)
        return partial(step, _images(batch, resolution, device), labels)

    found: tuple[int, Callable[[], None], int | None] | None = None
    for batch in sorted({wanted >> halvings for halvings in range(wanted.bit_length())}):
        if found is not None and memory.beyond(2 * (found[2] or 0), budget.memory, device):
            break
        work = memory.tried(partial(made, batch))
        if work is None:
            break
        found = batch, work, memory.peak(work, device)
    if found is None:
        raise ValueError(f"not even one image of {resolution} pixels can be trained on in the memory of {device.name}")
    batch, work, peak = found
    if device.compile:
        torch.compiler.reset()  # what is kept of one code is limited
        device.compiled(module)
        compiled = memory.tried(partial(made, batch))
        if compiled is None:
            raise ValueError(
                f"compiled, a step of {batch} images of {resolution} pixels does not fit: --batch-size {batch // 2}"
            )
        work, peak = compiled, memory.peak(compiled, device)
    return batch, median_seconds(work, budget.seconds, device), peak


def median_seconds(work: Callable[[], object], seconds: float, device: Device) -> float:
    """Seconds a call of warm work: the median of ROUNDS timings that take about `seconds` together, or a call each."""
    first = timed(work, 1, device)
    times = max(1, round(seconds / ROUNDS / max(first, 1e-9)))
    rounds = [timed(work, times, device) for _ in range(ROUNDS - (times == 1))]
    return statistics.median([*rounds, first] if times == 1 else rounds)


@contextlib.contextmanager
def frozen(module: nn.Module, device: Device) -> Iterator[None]:
    """As models are evaluated: no dropout, no gradients, filters standardized once."""
    module.eval()
    with torch.no_grad(), standardized(module), device.autocast():
        yield


def input_rate(data: str | None, resolution: int) -> float:
    """Images/s that one core decodes and crops for a training, by its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        images = open_split(data or photographs(Path(folder), count=40), None)
        spent = 0.0
        for epoch in range(2):  # the first one warms up
            index = np.arange(INPUT_IMAGES) % len(images)
            start = time.process_time()
            train_images(images, index, np.full_like(index, epoch), seed=0, resolution=resolution)
            spent = time.process_time() - start
    return INPUT_IMAGES / spent


def _images(batch: int, resolution: int, device: Device) -> torch.Tensor:
    return torch.randint(256, (batch, 3, resolution, resolution), dtype=torch.uint8, device=device.torch)


def _forward(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return module(normalise(images))

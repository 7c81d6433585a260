"""Costs of one model on a device: images/s of inference by batch, the largest batch, a training step, the input.

Inference is measured as in the ViT paper's Figure 12 (§D.5), training by the step of our own loop.
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
from scaling.measure.timing import photographs, seconds_per_call
from scaling.models import normalise, standardized
from scaling.specs import Recipe
from scaling.training import Device, classification, make_optimizer, microbatches, set_learning_rate

RECIPE = Recipe(head_bias=0.0)
PATIENCE = 2  # batches in a row that are no faster than the best, after which no larger one is tried
ROUNDS = 3  # of timings, of which the median counts
INPUT_IMAGES = 256
RISE = 2**28  # bytes that the peaks under a line must rise by at least: their noise is some MiB
DOUBLINGS = 16  # of the batch, at most, to see such a rise


@dataclass(frozen=True)
class Budget:
    """The limits of a measurement."""

    seconds: float  # at least, for each timing
    batch: int  # images of inference, at most, in the search for the fastest batch
    memory: int  # bytes


def inference_rates(module: nn.Module, resolution: int, budget: Budget, device: Device) -> dict[int, float]:
    """Images/s of inference by batch, up to where larger batches are no faster or do not fit.

    Raises ValueError when not even one image fits.
    """
    peak = 0

    def rate(batch: int) -> float | None:
        nonlocal peak
        # Twice the images may take twice the memory.
        if memory.exceeds_memory(2 * peak, budget.memory, device):
            return None
        work = memory.try_work(lambda: partial(_forward, module, _images(batch, resolution, device)))
        if work is None:
            return None
        peak = memory.peak_memory(work, device) or 0
        return batch / median_seconds(work, budget.seconds, device)

    with evaluation_mode(module, device):
        rates = rates_by_doubling(rate, budget.batch)
    check(
        rates != {},
        f"one image of {resolution} pixels must fit the memory of {device.name}, and does not: lower the resolution",
    )
    return rates


def rates_by_doubling(rate: Callable[[int], float | None], most: int) -> dict[int, float]:
    """The rates of batches 1, 2, 4, ... up to `most`, as long as they get faster.

    The search ends when `rate` returns None, which means that the batch does not fit, or after PATIENCE batches in a
    row that are slower than the fastest.
    """
    rates: dict[int, float] = {}
    batch = 1
    while batch <= most and (value := rate(batch)) is not None:
        rates[batch] = value
        best = max(rates, key=rates.__getitem__)
        if batch >= best << PATIENCE:  # PATIENCE doublings beyond the fastest
            break
        batch *= 2
    return rates


def largest_batch(
    module: nn.Module, resolution: int, device: Device, limit: int, start: int
) -> tuple[str | None, int | None]:
    """The largest batch of inference within `limit` bytes, after how it was found: 'line' or 'trial'.

    The peaks are measured at `start` images and doublings of it. On a GPU the batch that their line predicts is tried,
    and a twentieth less until it fits. (None, None) where peaks cannot be measured or do not rise.
    """

    def forward(batch: int) -> Callable[[], object]:
        return partial(_forward, module, _images(batch, resolution, device))

    def fits(batch: int) -> bool:
        return memory.try_work(partial(forward, batch)) is not None

    with evaluation_mode(module, device):
        peaks: list[int] = []
        # Not beyond half the limit, as the next peak may be twice as high.
        while not peaks or (peaks[-1] - peaks[0] < RISE and peaks[-1] < limit / 2 and len(peaks) < DOUBLINGS):
            peak = memory.peak_memory(forward(start << len(peaks)), device)
            if peak is None:
                return None, None
            peaks.append(peak)
        predicted = memory.batch_by_line([start << n for n in range(len(peaks))], peaks, limit)
        if predicted is None:
            return None, None
        if device.kind == "cuda":
            return "trial", memory.largest_with_room(fits, predicted)
    return "line", predicted


def training_step(
    module: nn.Module, classes: int, resolution: int, requested: int, budget: Budget, device: Device
) -> tuple[int, float, int | None]:
    """(images, seconds, peak bytes) of a training step as the loop takes it, on a batch that is on the device.

    The batch is the requested one, or the first of its half, its quarter, ... that fits. Where the device compiles, the
    step is compiled at that batch alone. Raises ValueError when not even one image fits, or the compiled step does not.
    """
    module.train()
    optimizer, objective = make_optimizer(module, RECIPE), classification(RECIPE, seed=0)
    # Not 0: a classifier that stays zero would send zeros back, which some chips multiply faster
    set_learning_rate(optimizer, 1e-4)

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        for x, y, share in microbatches(module, images, labels, device, len(images)):
            with device.autocast():
                loss = objective(module, 0, x, y) * share
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def prepared_step(batch: int) -> Callable[[], None]:
        labels = torch.randint(classes, (batch,), device=device.torch)
        return partial(step, _images(batch, resolution, device), labels)

    best: tuple[int, Callable[[], None], int | None] | None = None
    # From the smallest up, so that the peak of one batch tells whether the next may be tried.
    for batch in sorted({requested >> halvings for halvings in range(requested.bit_length())}):
        if best is not None and memory.exceeds_memory(2 * (best[2] or 0), budget.memory, device):
            break
        work = memory.try_work(partial(prepared_step, batch))
        if work is None:
            break
        best = batch, work, memory.peak_memory(work, device)
    if best is None:
        raise ValueError(
            f"a step of one image of {resolution} pixels must fit the memory of {device.name}, and does not: "
            "lower the resolution"
        )
    batch, work, peak = best
    if device.execution.compile:
        torch.compiler.reset()  # the compiler keeps a limited number of versions of one code
        device.compiled(module)
        compiled = memory.try_work(partial(prepared_step, batch))
        if compiled is None:
            raise ValueError(
                f"a compiled step of {batch} images of {resolution} pixels must fit, and does not: "
                f"--batch-size {batch // 2}"
            )
        work, peak = compiled, memory.peak_memory(compiled, device)
    return batch, median_seconds(work, budget.seconds, device), peak


def median_seconds(work: Callable[[], object], seconds: float, device: Device) -> float:
    """Seconds per call of warmed-up work: the median of ROUNDS timings that together take about `seconds`."""
    first = seconds_per_call(work, 1, device)
    times = max(1, round(seconds / ROUNDS / max(first, 1e-9)))
    # Where one call takes a whole round, the first call above is one of the rounds.
    rounds = [seconds_per_call(work, times, device) for _ in range(ROUNDS - (times == 1))]
    return statistics.median([*rounds, first] if times == 1 else rounds)


@contextlib.contextmanager
def evaluation_mode(module: nn.Module, device: Device) -> Iterator[None]:
    """The state in which models are evaluated: no dropout, no gradients, filters standardized once."""
    module.eval()
    with torch.no_grad(), standardized(module), device.autocast():
        yield


def input_rate(data: str | None, resolution: int) -> float:
    """Images/s that one core decodes and crops for training, by its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        images = open_split(data or photographs(Path(folder), count=40), None)
        seconds = 0.0
        for epoch in range(2):  # the first one warms up
            index = np.arange(INPUT_IMAGES) % len(images)
            # CPU time of all threads together, so that the rate is one core's, however many decode.
            start = time.process_time()
            train_images(images, index, np.full_like(index, epoch), seed=0, resolution=resolution)
            seconds = time.process_time() - start
    return INPUT_IMAGES / seconds


def _images(batch: int, resolution: int, device: Device) -> torch.Tensor:
    return torch.randint(256, (batch, 3, resolution, resolution), dtype=torch.uint8, device=device.torch)


def _forward(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = module(normalise(images))
    return y

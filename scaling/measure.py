"""What models cost on the device at hand: `python -m scaling.measure MODEL ... [--sizes 64 128 224] [--storage URI]`.

Figure 12 of the ViT paper (§D.5): images a second of inference at the best batch, and the largest batch that fits;
beside them the time of a training step, its share of the device's own rate of matrix products, and what the input
pipeline delivers. With --storage, rows of table measure: `run_study.py --plan --measured URI` plans by them.
"""

import contextlib
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich.table import Table
from torch import nn

from scaling import memory, results
from scaling.cli import command_line, console
from scaling.data.preprocessing import normalise, train_images
from scaling.data.sources import open_split
from scaling.flops import train_flops
from scaling.identity import check
from scaling.models import build
from scaling.models.standardized import standardized
from scaling.specs import Architecture, Precision, Recipe, family, to_json, whole_patches
from scaling.storage import Storage
from scaling.timing import gemm_rate, photographs, timed
from scaling.training.devices import Device, local_device
from scaling.training.microbatches import accumulate
from scaling.training.objective import classification
from scaling.training.optim import make_optimizer
from scaling.zoo import model

SIZES = (64, 128, 224, 384, 512)  # Figure 12
RECIPE = Recipe(head_bias=0.0)
WORSE = 2  # batches in a row that are no better than the best before no larger one is tried
ROUNDS = 3  # at least, of which the median counts
INPUT_IMAGES = 256
GIB = 2**30
RISE = GIB // 4  # of the peaks that a line is drawn through: noise is some MiB
DOUBLINGS = 16


@dataclass(frozen=True)
class Options:
    """Measure models on this device: inference, training step, memory and input, at several sizes of images."""

    models: tyro.conf.Positional[tuple[str, ...]]
    """Models of the zoo."""
    sizes: tuple[int, ...] = SIZES
    """Pixels a side; lowered to whole patches."""
    precision: Precision | None = None
    """fp32 or bf16. Default: bf16 on a GPU, fp32 on a CPU."""
    threads: int = 1
    """CPU threads."""
    batch: int | None = None
    """Images of a training step. Default: as for the best rate of inference, fewer where a GPU has no room."""
    max_batch: int = 1024
    """Images of inference, at most, to look for the best rate."""
    classes: int = 1000
    """Of the classifier."""
    seconds: float = 1.0
    """At least, of each timing."""
    memory: float | None = None
    """GiB that the largest batch has to fit into. Default: what the GPU, or this machine, has."""
    data: str | None = None
    """JPEGs for the input rate, such as parquet:PATH. Default: made on the spot, 348 pixels a side."""
    storage: str | None = None
    """Directory or URI for the rows. Default: none are kept."""
    json: bool = False
    """Print one JSON value instead of text."""


def main(options: Options) -> int:
    check(options.models != (), "give the models to measure, such as ViT-B/16 R50x1")
    check(options.sizes != (), "--sizes needs at least one number of pixels")
    for name in ("threads", "max_batch", "classes", "batch", "memory"):
        value = getattr(options, name)
        check(value is None or value > 0, f"--{name.replace('_', '-')} must be positive, got {value}")
    specs = {name: model(name) for name in options.models}
    sizes = {(name, size): whole_patches(spec, size) for name, spec in specs.items() for size in options.sizes}
    for (name, size), resolution in sizes.items():
        check(resolution > 0, f"images of {size} pixels are smaller than one patch of {name}: leave it out of --sizes")
    place = None if options.storage is None else Storage.of(options.storage)
    if place is not None:
        place.make()
    device, out = local_device(options.precision, options.threads), console(options.json)
    gemm = gemm_rate(device, device.precision)
    out.print(f"{device.name}, {device.cores} core(s), {device.precision}: {gemm:.3g} TFLOP/s of matrix products")
    inputs, rows = cache(partial(input_rate, options.data)), []
    for name, resolution in dict.fromkeys((name, resolution) for (name, _), resolution in sizes.items()):
        row = measure(name, specs[name], resolution, options, device, gemm, inputs(resolution))
        out.print(_line(row), markup=False, soft_wrap=True)
        rows.append(row)
        if place is not None:
            results.write(place, "measure", [row])
    if options.json:
        print(json.dumps(rows, indent=1, default=str))
    else:
        out.print(_table(rows))
    return 0


def measure(
    name: str, spec: Architecture, resolution: int, options: Options, device: Device, gemm: float, inputs: float
) -> dict[str, Any]:
    """The row of one model at one resolution. `gemm`: TFLOP/s, `inputs`: images/s of one core."""
    module = build(spec, options.classes, resolution=resolution, head_bias=0.0).to(device.torch)
    limit = memory.limit(device) if options.memory is None else round(options.memory * GIB)
    tried = inference(module, resolution, options, device)
    best = max(tried, key=tried.__getitem__)
    by, largest = largest_batch(module, resolution, device, limit, max(tried))
    batch, seconds, peak = training(module, resolution, options.batch or best, options, device)
    flops = train_flops(spec, resolution, options.classes, batch)
    facts = {
        "measured_at": datetime.now(UTC),
        "device": device.name,
        "precision": device.precision,
        "cores": device.cores,
        "torch": str(torch.__version__),
        "name": name,
        "family": family(spec),
        "spec": to_json(spec),
        "resolution": resolution,
        "num_classes": options.classes,
        "images_per_second": tried[best],
        "batch": best,
        "batches": list(tried),
        "rates": list(tried.values()),
        "largest_batch": largest,
        "largest_batch_by": by,
        "memory_limit": limit,
        "train_batch": batch,
        "step_seconds": seconds,
        "train_images_per_second": batch / seconds,
        "train_flops": flops,
        "gemm_tflops": gemm,
        "mfu": flops / seconds / 1e12 / gemm,
        "peak_memory": peak,
        "input_images_per_second": inputs,
    }
    text = json.dumps(facts, default=str, sort_keys=True)
    return {"measure_id": hashlib.sha256(text.encode()).hexdigest()[:16], **facts}


def inference(module: nn.Module, resolution: int, options: Options, device: Device) -> dict[int, float]:
    """Images/s by batch, until larger ones are no better or do not fit."""

    def rate(batch: int) -> float | None:
        work = partial(_forward, module, _images(batch, resolution, device))
        return batch / median_seconds(work, options.seconds, device) if memory.fits(work) else None

    with frozen(module, device):
        rates = doubled(rate, options.max_batch)
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
    """(how it was found, largest batch of inference within the limit in bytes); on a CPU from measurements at `start`
    images and more."""

    def forward(batch: int) -> Callable[[], object]:
        return partial(_forward, module, _images(batch, resolution, device))

    with frozen(module, device):
        if device.kind == "cuda":
            torch.cuda.set_per_process_memory_fraction(min(1.0, limit / memory.limit(device)), device.torch)
            return "trial", memory.largest(lambda batch: memory.fits(lambda: forward(batch)()))
        peaks: list[int] = []
        while not peaks or (peaks[-1] - peaks[0] < RISE and peaks[-1] < limit / 2 and len(peaks) < DOUBLINGS):
            peak = memory.peak(forward(start << len(peaks)), device)
            if peak is None:
                return None, None
            peaks.append(peak)
    found = memory.by_line([start << n for n in range(len(peaks))], peaks, limit)
    return (None, None) if found is None else ("line", found)


def training(
    module: nn.Module, resolution: int, batch: int, options: Options, device: Device
) -> tuple[int, float, int | None]:
    """(images, seconds, bytes at the highest) of a step as the loop makes it, on a batch that lies on the device."""
    module.train()
    optimizer, objective = make_optimizer(module, RECIPE), classification(RECIPE, seed=0)
    for group in optimizer.param_groups:
        group["lr"] = 1e-4  # a classifier that stays zero would send zeros back, which some chips multiply faster

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        accumulate(module, objective, 0, images, labels, device)
        optimizer.step()
        optimizer.zero_grad()

    while True:
        labels = torch.randint(options.classes, (batch,), device=device.torch)
        work = partial(step, _images(batch, resolution, device), labels)
        if memory.fits(work):
            break
        check(batch > 1, f"not even one image of {resolution} pixels can be trained on in the memory of {device.name}")
        batch //= 2
    peak = memory.peak(work, device)
    return batch, median_seconds(work, options.seconds, device), peak


def median_seconds(work: Callable[[], object], seconds: float, device: Device) -> float:
    """Seconds a call: the median of ROUNDS or more timings that take `seconds` together, after a call to warm up."""
    work()
    times = max(1, round(seconds / ROUNDS / max(timed(work, 1, device), 1e-9)))
    return statistics.median(timed(work, times, device) for _ in range(ROUNDS))


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


def _line(row: dict[str, Any]) -> str:
    return f"  {row['name']} at {row['resolution']}: {row['images_per_second']:.4g} images/s"


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "model": lambda row: row["name"],
    "pixels": lambda row: str(row["resolution"]),
    "images/s": lambda row: f"{row['images_per_second']:,.4g}",
    "at batch": lambda row: str(row["batch"]),
    "largest": lambda row: _or_dash(row["largest_batch"]),
    "step s": lambda row: f"{row['step_seconds']:.4g}",
    "of images": lambda row: str(row["train_batch"]),
    "trained/s": lambda row: f"{row['train_images_per_second']:,.4g}",
    "MFU": lambda row: f"{row['mfu']:.0%}",
    "GiB": lambda row: _or_dash(row["peak_memory"] and row["peak_memory"] / GIB),
    "input/s": lambda row: f"{row['input_images_per_second']:,.0f}",
}


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Measured costs", title_justify="left", header_style="bold")
    for heading in COLUMNS:
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows:
        table.add_row(*(show(row) for show in COLUMNS.values()))
    limits = ", ".join(sorted({f"{row['memory_limit'] / GIB:.1f}" for row in rows}))
    how = {"line": "by the line through the peaks of smaller batches", "trial": "by trial", None: "not known"}
    by = " and ".join(sorted({how[row["largest_batch_by"]] for row in rows}))
    table.caption = f"largest: batch of inference in {limits} GiB, {by}"
    return table


if __name__ == "__main__":
    command_line(main, Options)

"""How fast photographs become batches: `python benchmarks/input_pipeline.py [--data parquet:PATH] [--json]`.

First, from JPEG to augmented uint8 images of 224 pixels on one core, compared with the usual pipeline on Pillow: open,
convert to RGB, random crop of 8 % to 100 % of the area, resize, flip, float tensor. Both make crops of the same
photographs by the same distribution, in turns, in one process. Second, the share of time that a training on one core
waits for a loader on another one, by the training loop's own clocks.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import numpy as np
import torch
from PIL import Image

from scaling.console import command_line, console
from scaling.data import resolve
from scaling.data.pipeline import BLOCK, Stream, batches, inception_boxes, train_images
from scaling.data.sources import Images, open_split
from scaling.measure import photographs
from scaling.randomness import uniforms
from scaling.runs import pretrain
from scaling.specs import Dataset, Execution, Pretrain, Recipe, without_representation, zoo_model
from scaling.store import Storage, read_table
from scaling.training import local_device

MIN_AREA = 0.08  # smallest share of the area, as is usual; our own default is smaller


@dataclass(frozen=True)
class Options:
    """Time our input pipeline against one on Pillow, and how long a training waits.

    python benchmarks/input_pipeline.py
    python benchmarks/input_pipeline.py --data parquet:/data/train.parquet --steps 0
    """

    data: str | None = None
    """Photographs, such as parquet:PATH. Default: made on the spot, 348 pixels a side, JPEG of quality 90."""
    resolution: int = 224
    """Pixels a side of the crops."""
    rounds: int = 10
    """Turns of each side."""
    images: int = 256
    """Photographs of a turn."""
    steps: int = 20
    """Steps of the training that is fed; 0: none."""
    batch_size: int = 32
    """Images of a training step."""
    model: str = "ViT-Ti/16"
    """Model that is trained, in bf16 with one thread."""
    json: bool = False
    """Print one JSON value instead of text."""


def main(options: Options) -> int:
    if min(options.rounds, options.images, options.batch_size) < 1:
        raise ValueError("rounds, images and batch must be positive")
    out = console(options.json)
    with tempfile.TemporaryDirectory() as folder:
        data = resolve(Dataset("photographs", options.data or photographs(Path(folder))))
        assert data.train is not None
        images = open_split(data.train, None)
        seconds = race(images, options)
        by_round = [theirs / own for own, theirs in zip(seconds["ours"], seconds["Pillow"], strict=True)]
        low, median, high = statistics.quantiles(by_round, n=4) if len(by_round) > 1 else by_round * 3
        rates = {side: 1 / statistics.median(times) for side, times in seconds.items()}
        for side, rate in rates.items():
            out.print(f"{side:7} {rate:7.0f} images per second and core")
        out.print(f"ours / Pillow {median:.2f}  ({low:.2f} to {high:.2f})")
        waiting = fed(data, options, Storage.of(Path(folder) / "storage")) if options.steps else None
    if waiting is not None:
        out.print(f"{options.model} on one core, a loader on another: waiting {waiting:.1%} of the time")
    if options.json:
        print(json.dumps({"images_per_second": rates, "ratio": median, "seconds": seconds, "waiting": waiting}))
    return 0


def race(images: Images, options: Options) -> dict[str, list[float]]:
    """CPU seconds per image of each side, by round; a first round warms up and is not counted."""
    torch.set_num_threads(1)
    sides: dict[str, Callable[[np.ndarray, int], object]] = {
        "ours": partial(ours, images, resolution=options.resolution),
        "Pillow": partial(usual, images, resolution=options.resolution),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    everyone = cycle(range(len(images)))
    for epoch in range(options.rounds + 1):
        indices = np.array(list(islice(everyone, options.images)))
        for side, make in sides.items():
            start = time.process_time()
            make(indices, epoch)
            seconds[side].append((time.process_time() - start) / len(indices))
    return {side: times[1:] for side, times in seconds.items()}


def ours(images: Images, indices: np.ndarray, epoch: int, *, resolution: int) -> list[torch.Tensor]:
    """Blocks of a batch, uint8 [n, 3, R, R], as a loader process makes them."""
    parts = [indices[start : start + BLOCK] for start in range(0, len(indices), BLOCK)]
    return [
        train_images(images, i, np.full_like(i, epoch), seed=0, resolution=resolution, min_crop_area=MIN_AREA)
        for i in parts
    ]


def usual(images: Images, indices: np.ndarray, epoch: int, *, resolution: int) -> list[torch.Tensor]:
    """Blocks float32 [n, 3, R, R] in [0, 1], as torchvision's transforms make them with Pillow."""
    u = uniforms(0, epoch, indices, 41)
    images_of_batch = []
    for index, row in zip(indices.tolist(), u, strict=True):
        with Image.open(io.BytesIO(images.encoded[index] or b"")) as opened:
            image = opened.convert("RGB")
        size = np.array([[image.height, image.width]])
        ((top, left, height, width),) = inception_boxes(size, row[None, 1:], MIN_AREA).tolist()
        image = image.crop((left, top, left + width, top + height))
        image = image.resize((resolution, resolution), Image.Resampling.BILINEAR)
        if row[0] < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        images_of_batch.append(torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255))
    return [torch.stack(images_of_batch[i : i + BLOCK]) for i in range(0, len(images_of_batch), BLOCK)]


def fed(data: Dataset, options: Options, storage: Storage) -> float:
    """Share of a training's time that it waits for one loader process, each on a core of its own if there are two."""
    recipe = Recipe(
        batch_size=options.batch_size, warmup_steps=1, loss="softmax", head_bias=0.0, min_crop_area=MIN_AREA
    )
    assert data.train is not None
    assert data.num_train is not None
    epochs = options.steps * options.batch_size / data.num_train
    spec = without_representation(zoo_model(options.model))
    run = Pretrain(options.model, spec, data, 1e-4, epochs, recipe, options.resolution)
    own, other = (*os.sched_getaffinity(0), *os.sched_getaffinity(0))[:2]
    with on_core(other):  # the fork server starts here: it, and what it forks, stays on this core
        stream = Stream(data.train, None, np.arange(data.num_train), recipe, 0, options.resolution)
        next(batches(0, 1, stream=stream, skipped={}, loaders=1))
    storage.make()
    device = local_device(Execution("bf16", loaders=1), 1)
    with on_core(own):
        pretrain(run, storage=storage, study="benchmark", device=device, report=lambda step, metrics: None)
    (row,) = read_table(storage, "attempt").to_dicts()
    return float(row["seconds_waiting"] / (row["seconds_waiting"] + row["seconds_training"]))


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """This thread, and the processes that it starts, run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    command_line(main, Options, renamed={"--batch": "--batch-size"})

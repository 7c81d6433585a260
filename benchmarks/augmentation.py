"""How fast photographs become augmented batches: `python benchmarks/augmentation.py [--data parquet:PATH] [--json]`.

From JPEG to uint8 images of 224 pixels on one core, with each augmentation relative to crop and flip alone: the same
photographs and crops, in turns, in one process. Goal: RandAugment(2, 10) at 0.6 of the plain rate or faster.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import json
import statistics
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch

from scaling.console import command_line, console
from scaling.data import resolve
from scaling.data.pipeline import BLOCK, train_images
from scaling.data.sources import Images, open_split
from scaling.measure import photographs
from scaling.specs import (
    Augment,
    AutoAugment,
    ColorJitter,
    Dataset,
    RandAugment,
    RandomErasing,
    ThreeAugment,
    TrivialAugment,
)

PLAIN = "crop and flip"
TIMM = RandAugment(2, 9, "increasing", std=0.5, probability=0.5)
AUGMENTED: dict[str, tuple[Augment, ...]] = {
    PLAIN: (),
    "RandAugment(2, 10)": (RandAugment(2, 10),),
    "RandAugment(2, 15)": (RandAugment(2, 15),),
    "timm's rand-m9-mstd0.5-inc1": (TIMM,),
    "AutoAugment": (AutoAugment(),),
    "TrivialAugment": (TrivialAugment(),),
    "ThreeAugment": (ThreeAugment(),),
    "ColorJitter(0.4, 0.4, 0.4)": (ColorJitter(0.4, 0.4, 0.4),),
    "ColorJitter(0.4, 0.4, 0.2, 0.1)": (ColorJitter(0.4, 0.4, 0.2, 0.1),),
    "RandomErasing": (RandomErasing(),),
    "DeiT: timm's and RandomErasing": (TIMM, RandomErasing()),
}


@dataclass(frozen=True)
class Options:
    """Time our input pipeline with each augmentation, relative to crop and flip alone.

    python benchmarks/augmentation.py
    python benchmarks/augmentation.py --data parquet:/data/train.parquet --rounds 20
    """

    data: str | None = None
    """Photographs, such as parquet:PATH. Default: made on the spot, 348 pixels a side, JPEG of quality 90."""
    resolution: int = 224
    """Pixels a side of the crops."""
    rounds: int = 10
    """Turns of each augmentation."""
    images: int = 128
    """Photographs of a turn."""
    json: bool = False
    """Print one JSON value instead of text."""


def main(options: Options) -> int:
    if min(options.rounds, options.images) < 1:
        raise ValueError("rounds and images must be positive")
    with tempfile.TemporaryDirectory() as folder:
        data = resolve(Dataset("photographs", options.data or photographs(Path(folder))))
        assert data.train is not None
        seconds = race(open_split(data.train, None), options)
    rates = {name: 1 / statistics.median(times) for name, times in seconds.items()}
    ratios = {
        name: statistics.median(plain / own for plain, own in zip(seconds[PLAIN], times, strict=True))
        for name, times in seconds.items()
    }
    out = console(options.json)
    for name, rate in rates.items():
        out.print(f"{name:32} {rate:6.0f} images per second and core, {ratios[name]:.2f} of {PLAIN}")
    if options.json:
        print(json.dumps({"images_per_second": rates, "ratios": ratios, "seconds": seconds}))
    return 0


def race(images: Images, options: Options) -> dict[str, list[float]]:
    """CPU seconds per image with each augmentation, by round; a first round warms up and is not counted."""
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in AUGMENTED}
    for epoch in range(options.rounds + 1):
        indices = (epoch * options.images + np.arange(options.images)) % len(images)
        for name, augment in AUGMENTED.items():
            start = time.process_time()
            for at in range(0, len(indices), BLOCK):  # as a loader process makes them
                part = indices[at : at + BLOCK]
                epochs = np.full_like(part, epoch)
                train_images(images, part, epochs, seed=0, resolution=options.resolution, augment=augment)
            seconds[name].append((time.process_time() - start) / len(indices))
    return {name: times[1:] for name, times in seconds.items()}


if __name__ == "__main__":
    command_line(main, Options)

"""Batches of corrupted images."""

import numpy as np
import torch

from scaling.data.corruptions.images import corrupt
from scaling.data.pipeline import eval_images
from scaling.data.sources import Images, in_threads

THREADED = 64  # pixels on a side from which threads gain more than they cost


def corrupted_images(
    images: Images, indices: np.ndarray, resolution: int, corruption: str, severity: int, seed: int
) -> torch.Tensor:
    """`eval_images`, each corrupted with random numbers of its own: uint8 [n, 3, R, R]. Raises the errors of both."""
    pixels = eval_images(images, indices, resolution).permute(0, 2, 3, 1).numpy()  # [n, R, R, 3]
    out = np.empty_like(pixels)

    def fill(place: int) -> None:
        out[place] = corrupt(pixels[place], corruption, severity, index=int(indices[place]), seed=seed)

    if resolution >= THREADED:
        in_threads(fill, range(len(indices)))
    else:
        for place in range(len(indices)):
            fill(place)
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()

"""Augmentations, losses and schedules as a user would bring them, and such as cannot be used."""

import math
import random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def fade(image: np.ndarray, generator: np.random.Generator, *, most: float = 0.5) -> np.ndarray:
    return (image * generator.uniform(1 - most, 1)).astype(np.uint8)


def mirrored(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return image[:, ::-1]


def in_place(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    image[: len(image) // 2] = 0
    return image


def of_global_state(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.roll(image, random.randrange(1 << 30) % len(image), 0) ^ np.uint8(random.randrange(256))


def smaller(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return image[1:]


def in_floats(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return image / 255


def as_tensor(image: np.ndarray, generator: np.random.Generator) -> Any:
    return torch.from_numpy(image)


def broken(*arguments: Any, **options: Any) -> Any:
    raise KeyError("no\nsuch")


def cross_entropy(logits: Tensor, targets: Tensor, *, temperature: float = 1.0) -> Tensor:
    return F.cross_entropy(logits / temperature, targets)


def summed(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="sum")


def by_image(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none")


def detached(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits.detach(), targets)


def flat(logits: Tensor, targets: Tensor) -> Tensor:
    return (0 * logits).mean()


def infinite(logits: Tensor, targets: Tensor) -> Tensor:
    return (targets / 0 * logits).mean()


def as_number(logits: Tensor, targets: Tensor) -> float:
    return cross_entropy(logits.detach(), targets).item()


def cosine(step: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def restarts(step: int, steps: int, *, cycles: int = 2) -> float:
    return 0.5 * (1 + math.cos(math.pi * (step * cycles / steps % 1)))


def negative(step: int, steps: int) -> float:
    return 0.5 - step / steps


def as_text(step: int, steps: int) -> str:
    return "half"

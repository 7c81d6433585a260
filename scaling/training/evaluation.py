"""Accuracy, loss and features of a module over images."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scaling.data.preprocessing import eval_images, normalise
from scaling.data.sources import Images
from scaling.training.devices import Device, sum_over_workers

EVAL_BATCH = 256


def accuracy(
    module: nn.Module, images: Images, indices: np.ndarray, resolution: int, device: Device
) -> tuple[float, float]:
    """(top-1 accuracy, mean cross-entropy) of logits over `images[indices]`, each worker taking its share."""
    sums = torch.zeros(3, dtype=torch.float64, device=device.torch)  # correct, cross-entropy, images
    for x, index in batches(images, indices[device.rank :: device.world], resolution, device):
        labels = torch.from_numpy(images.labels[index]).to(device.torch)
        logits = _forward(module, x, device)
        loss = F.cross_entropy(logits, labels, reduction="sum").double()
        sums += torch.stack([(logits.argmax(1) == labels).sum().double(), loss, torch.ones_like(loss) * len(labels)])
    correct, loss, count = sum_over_workers(sums, device).tolist()
    return correct / count, loss / count


def features(module: nn.Module, images: Images, indices: np.ndarray, resolution: int, device: Device) -> np.ndarray:
    """Frozen representations, float64 [n, D]."""
    parts = [_forward(module, x, device, "features") for x, _ in batches(images, indices, resolution, device)]
    return torch.cat(parts).double().cpu().numpy()


def batches(
    images: Images, indices: np.ndarray, resolution: int, device: Device
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Normalised images float32 [b, 3, R, R] on the device, and which ones they are."""
    for start in range(0, len(indices), EVAL_BATCH):
        index = indices[start : start + EVAL_BATCH]
        yield normalise(eval_images(images, index, resolution).to(device.torch)), index


@torch.no_grad()
def _forward(module: nn.Module, x: Tensor, device: Device, method: str = "forward") -> Tensor:
    module.eval()
    with device.autocast():
        return getattr(module, method)(x).float()

"""Forward and backward passes over a worker's share of a batch, whole or in parts that fit the device."""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaling.models.standardized import standardized
from scaling.training.devices import Device
from scaling.training.objective import Objective


def accumulate(
    model: nn.Module, objective: Objective, step: int, images: Tensor, labels: Tensor, device: Device
) -> Tensor:
    """Give the parameters the gradients of the mean loss of images uint8 [b, 3, R, R]; returns that loss [], detached.

    With `device.microbatch` that many images at a time, each part's loss weighted by its size: the step is the whole
    batch's to float tolerance, but that dropout draws its masks part by part. Filters are standardized once, and
    workers exchange gradients once, with the last part.
    """
    images, labels = device.put(images), device.put(labels)
    size = device.microbatch or len(images)
    parts = list(zip(images.split(size), labels.split(size), strict=True))
    total = torch.zeros((), device=images.device)
    with standardized(model) if len(parts) > 1 else contextlib.nullcontext():
        for number, (x, y) in enumerate(parts, start=1):
            with _alone(model) if number < len(parts) else contextlib.nullcontext():
                with device.autocast():
                    loss = objective(model, step, x, y) * (len(x) / len(images))
                loss.backward()
            total += loss.detach()
    return total


def _alone(model: nn.Module) -> contextlib.AbstractContextManager[Any]:
    """Keep gradients on this worker."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else contextlib.nullcontext()

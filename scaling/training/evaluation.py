"""Accuracy, loss and features of a module over images."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from scaling.checks import check
from scaling.data.pipeline import Skipped, eval_images_left, prefetched
from scaling.data.sources import Images
from scaling.models import (
    NonFiniteError,
    non_finite_origin,
    normalise,
    standardized,
)
from scaling.training.devices import Device, sum_over_workers
from scaling.training.objective import distribution

EVAL_BATCH = 256


def accuracy(
    module: nn.Module,
    images: Images,
    indices: Int[np.ndarray, " n"],
    resolution: int,
    device: Device,
    skipped: Skipped | None = None,
) -> tuple[float, float]:
    """(top-1 accuracy, mean cross-entropy) of logits over `images[indices]`, of which each worker takes its share.

    For a multi-label image any of its classes is right. Corrupt images are noted in `skipped` and left out; without
    `skipped` they raise CorruptImageError. Raises ValueError when no image is left, and NonFiniteError, naming an image
    and what is wrong in the module, for logits that are NaN or infinite.
    """
    # float64, since float32 counts no further than 2^24 images
    sums = torch.zeros(4, dtype=torch.float64, device=device.torch)  # correct, cross-entropy, images, not finite
    broken = _Broken(module, images, resolution, device)
    with _frozen(module, device):
        # Shares may differ by an image: sums and counts are exchanged, not means.
        for x, index in _batches(images, indices[device.rank :: device.world], resolution, device, skipped):
            labels = device.put(torch.from_numpy(images.labels[index]))
            # forward, not a call: a call would compile what is compiled for training once more, for evaluation
            logits = module.forward(x).float()
            targets = distribution(labels, logits.shape[1])
            top = logits.argmax(1)
            right = top == labels if labels.ndim == 1 else targets.gather(1, top[:, None])[:, 0] > 0
            correct = right.sum().double()
            loss = F.cross_entropy(logits, targets, reduction="sum").double()
            # sums stay on the device: to read them for every batch would wait for it
            sums += torch.stack([correct, loss, torch.ones_like(loss) * len(labels), broken.count(logits, index)])
        correct, loss, count, bad = sum_over_workers(sums, device).tolist()
        broken.refuse(bad, count, "logits")
    check(count > 0, f"none of {len(indices)} images to judge by can be decoded")
    return correct / count, loss / count


def features(
    module: nn.Module,
    images: Images,
    indices: Int[np.ndarray, " n"],
    resolution: int,
    device: Device,
) -> Float64[np.ndarray, "n D"]:
    """Representations of the frozen model, one of `build`'s.

    Raises NonFiniteError, as `accuracy` does, when some are no numbers.
    """
    encoder: Any = module  # nn.Module says of no `features` what it is
    parts = []
    bad = torch.zeros((), dtype=torch.float64, device=device.torch)
    broken = _Broken(module, images, resolution, device)
    with _frozen(module, device):
        for x, index in _batches(images, indices, resolution, device, None):
            parts.append(encoder.features(x).float())
            bad += broken.count(parts[-1], index)
        broken.refuse(bad.item(), len(indices), "features")
    # float64, because the ridge regression solves a system of equations with them
    return torch.cat(parts).double().cpu().numpy()


def topk(
    module: nn.Module,
    indices: Int[np.ndarray, " n"],
    *,
    prepare: Callable[[np.ndarray], Tensor],
    right: Callable[[np.ndarray], np.ndarray],
    where: Callable[[int], str],
    allowed: Int[np.ndarray, " a"] | None,
    device: Device,
    ks: tuple[int, ...] = (1, 5),
) -> tuple[float, ...]:
    """Share of images that have a right class among the classifier's first k, for every k.

    Args:
        indices: the images.
        prepare: indices [b] to images uint8 [b, 3, R, R].
        right: indices [b] to the right classes, multi-hot [b, K].
        where: where the image of an index lies, for messages.
        allowed: the classes to choose from; None: all K.

    Raises NonFiniteError for logits that are NaN or infinite, naming an image and what is wrong in the module.
    """
    hits = np.zeros(len(ks), np.int64)
    for logits, targets in _scored(module, indices, prepare, right, where, allowed, device):
        first = logits.topk(min(max(ks), logits.shape[1]), dim=1).indices
        correct = targets.gather(1, first) > 0  # [b, k], the best class first
        hits += [int(correct[:, :k].any(1).sum()) for k in ks]
    return tuple((hits / len(indices)).tolist())


def confidences(
    module: nn.Module,
    indices: Int[np.ndarray, " n"],
    *,
    prepare: Callable[[np.ndarray], Tensor],
    right: Callable[[np.ndarray], np.ndarray],
    where: Callable[[int], str],
    allowed: Int[np.ndarray, " a"] | None,
    device: Device,
) -> tuple[Float64[np.ndarray, " n"], Bool[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Of each image the highest probability, whether its class is right, and the cross-entropy in nats.

    Arguments and errors are those of `topk`. Probabilities are the softmax of the logits, also of a classifier that was
    trained by the sigmoid loss. Where several classes are right, the cross-entropy is with their uniform distribution.
    """
    parts = []
    for logits, targets in _scored(module, indices, prepare, right, where, allowed, device):
        logs = logits.double().log_softmax(1)
        top, best = logs.max(1)
        loss = -(targets / targets.sum(1, keepdim=True) * logs).sum(1)
        parts.append((top.exp().numpy(), (targets.gather(1, best[:, None])[:, 0] > 0).numpy(), loss.numpy()))
    confidence, correct, losses = (np.concatenate(column) for column in zip(*parts, strict=True))
    return confidence, correct, losses


def _scored(
    module: nn.Module,
    indices: Int[np.ndarray, " n"],
    prepare: Callable[[np.ndarray], Tensor],
    right: Callable[[np.ndarray], np.ndarray],
    where: Callable[[int], str],
    allowed: Int[np.ndarray, " a"] | None,
    device: Device,
) -> Iterator[tuple[Float[Tensor, "b a"], Float[Tensor, "b a"]]]:
    """Logits and multi-hot right classes, among those that are allowed, batch by batch."""
    with _frozen(module, device):
        parts = _parts(indices)
        for index, x in zip(parts, prefetched(lambda i: prepare(parts[i]), 0, len(parts)), strict=True):
            logits = module.forward(normalise(device.put(x))).float().cpu()
            finite = torch.isfinite(logits).all(1)
            if not finite.all():
                first = int(finite.int().argmin())
                origin = non_finite_origin(module, normalise(device.put(x[first : first + 1])))
                raise NonFiniteError(f"the logits of {where(int(index[first]))} are NaN or infinite: {origin}")
            targets = torch.from_numpy(right(index))
            yield (logits, targets) if allowed is None else (logits[:, allowed], targets[:, allowed])


class _Broken:
    """Counts images whose scores are NaN or infinite, on the device, and names one of this worker's at the end."""

    def __init__(self, module: nn.Module, images: Images, resolution: int, device: Device) -> None:
        self._module, self._images, self._resolution, self._device = module, images, resolution, device
        self._first = torch.full((), len(images), device=device.torch)  # lowest index so far

    def count(self, scores: Float[Tensor, "b K"], index: Int[np.ndarray, " b"]) -> Float64[Tensor, ""]:
        bad = ~torch.isfinite(scores).all(1)
        places = self._device.put(torch.from_numpy(index))
        self._first = torch.minimum(self._first, torch.where(bad, places, len(self._images)).min())
        return bad.sum().double()

    def refuse(self, bad: float, count: float, what: str) -> None:
        """Raise NonFiniteError if there are `bad` such images among all workers' `count`."""
        if not bad:
            return
        said = f"the {what} of {bad:,.0f} of {count:,.0f} images are NaN or infinite"
        first = int(self._first)
        if first == len(self._images):  # another worker's
            raise NonFiniteError(said)
        x, _ = eval_images_left(self._images, np.array([first]), self._resolution, None)
        origin = non_finite_origin(self._module, normalise(self._device.put(x)))
        raise NonFiniteError(f"{said}, first of {self._images.where(first)}: {origin}")


@contextlib.contextmanager
def _frozen(module: nn.Module, device: Device) -> Iterator[None]:
    """Evaluate without dropout and gradients, with filters standardized once for all batches."""
    module.eval()
    with torch.no_grad(), standardized(module), device.autocast():
        device.run()  # so that what XLA records from here on is one program, the same for every batch
        yield


def _batches(
    images: Images, indices: Int[np.ndarray, " n"], resolution: int, device: Device, skipped: Skipped | None
) -> Iterator[tuple[Float[Tensor, "b 3 R R"], Int[np.ndarray, " b"]]]:
    """Normalised images on the device, and their indices; the next ones are decoded meanwhile."""
    parts = _parts(indices)
    for x, index in prefetched(lambda i: eval_images_left(images, parts[i], resolution, skipped), 0, len(parts)):
        if len(index):
            yield normalise(device.put(x)), index
            device.run()


def _parts(indices: Int[np.ndarray, " n"]) -> list[np.ndarray]:
    return [indices[start : start + EVAL_BATCH] for start in range(0, len(indices), EVAL_BATCH)]

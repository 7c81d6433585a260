"""What an upstream's own classifier says of images: its calibration, and its accuracy on corrupted copies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor, nn

from scaling.data.pipeline import eval_images
from scaling.data.sources import Images, MultiLabels
from scaling.specs import Calibration, Robustness
from scaling.training import Device, confidences

Prepare = Callable[[np.ndarray], Tensor]
Judged = tuple[np.ndarray, np.ndarray, np.ndarray]  # confidence, correct, cross-entropy of each image


@dataclass(frozen=True)
class Value:
    """One number of an evaluation."""

    metric: str
    value: float
    setting: str = ""  # what tells it from others of the same metric: 'k=20'
    headline: bool = True  # shown in tables and figures


@dataclass(frozen=True, eq=False)
class Test:
    """A classifier, and the images that it is tested on with its own class numbers."""

    module: nn.Module
    resolution: int  # pixels on a side, in whole patches
    device: Device
    images: Images
    right: MultiLabels  # the right classes of all images
    index: np.ndarray  # int64 [n]: images with a right class that can be decoded

    def judged(self, prepare: Prepare, allowed: np.ndarray | None = None) -> Judged:
        """What the classifier says of the images as they are prepared, choosing among the allowed classes."""
        return confidences(
            self.module,
            self.index,
            prepare=prepare,
            right=self.right.__getitem__,
            where=self.images.where,
            allowed=allowed,
            device=self.device,
        )


def calibration(evaluation: Calibration, test: Test) -> Iterator[Value]:
    """Top-1, mean negative log-likelihood (nats) and expected calibration error."""
    prepare = partial(eval_images, test.images, resolution=test.resolution)
    allowed = np.unique(test.right.values) if evaluation.among == "data" else None
    confidence, correct, loss = test.judged(prepare, allowed)
    yield Value("top1", float(correct.mean()))
    yield Value("nll", float(loss.mean()))
    yield Value("ece", calibration_error(confidence, correct, evaluation.bins))


def calibration_error(confidence: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: int) -> float:
    """Expected calibration error (Guo et al. 2017, Eq. 3): the mean over images of |accuracy - confidence| of their
    bins, which are ((m - 1) / bins, m / bins]."""
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, correct - confidence, bins)  # of each bin, images times (accuracy - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def robustness(evaluation: Robustness, test: Test) -> Iterator[Value]:
    """Top-1 by corruption and severity, the mean error, and mCE where there is a baseline."""
    from scaling.data.corruptions import corrupted_images  # here: no other unit needs SciPy's filters

    errors: dict[str, float] = {}
    for corruption in evaluation.corruptions:
        shares = []
        for severity in evaluation.severities:
            prepare = partial(
                corrupted_images,
                test.images,
                resolution=test.resolution,
                corruption=corruption,
                severity=severity,
                seed=evaluation.seed,
            )
            top1 = float(test.judged(prepare)[1].mean())
            yield Value("top1", top1, f"{corruption} {severity}", headline=False)
            shares.append(1 - top1)
        errors[corruption] = float(np.mean(shares))
    yield Value("mean error", float(np.mean(list(errors.values()))))
    if baseline := dict(evaluation.baseline):
        yield Value("mCE", float(np.mean([errors[name] / baseline[name] for name in errors])))

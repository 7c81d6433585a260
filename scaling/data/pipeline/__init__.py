"""From images to batches of tensors: crops, the order of the samples, processes that decode."""

from scaling.data.pipeline.augmentation import check_augmentation
from scaling.data.pipeline.crops import inception_boxes
from scaling.data.pipeline.loading import Stream, batches
from scaling.data.pipeline.prefetch import prefetched
from scaling.data.pipeline.preprocessing import (
    BLOCK,
    Batch,
    Skipped,
    eval_images,
    eval_images_left,
    readable,
    train_images,
)

__all__ = [
    "BLOCK",
    "Batch",
    "Skipped",
    "Stream",
    "batches",
    "check_augmentation",
    "eval_images",
    "eval_images_left",
    "inception_boxes",
    "prefetched",
    "readable",
    "train_images",
]

"""Chips, their prices and peaks, and the slices that they come in."""

from clusters.hardware.catalogue import (
    SECONDS_PER_DAY,
    TPU_TYPE,
    Hardware,
    catalogue,
    chip_generation,
    chip_named,
    chip_of_device,
)
from clusters.hardware.slices import SLICE_NAME, Slice, gpu_slice, slice_named, slice_wanted, slices_of, tpu_slice

__all__ = [
    "SECONDS_PER_DAY",
    "SLICE_NAME",
    "TPU_TYPE",
    "Hardware",
    "Slice",
    "catalogue",
    "chip_generation",
    "chip_named",
    "chip_of_device",
    "gpu_slice",
    "slice_named",
    "slice_wanted",
    "slices_of",
    "tpu_slice",
]

"""Measured costs of models on this device: `python -m scaling.measure`."""

from scaling.measure.timing import gemm_rate, photographs, seconds_per_call

__all__ = [
    "gemm_rate",
    "photographs",
    "seconds_per_call",
]

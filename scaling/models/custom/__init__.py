"""Models that are a user's or timm's: made, tried and counted."""

from scaling.models.custom.count import check_fits, count_model, fingerprint
from scaling.models.custom.module import CustomModel, custom_model, custom_outline

__all__ = [
    "CustomModel",
    "check_fits",
    "count_model",
    "custom_model",
    "custom_outline",
    "fingerprint",
]

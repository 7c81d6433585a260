"""Corrupted copies of images, made on the fly: noise, blur, weather and digital artefacts at five severities."""

from scaling.data.corruptions.batches import corrupted_images
from scaling.data.corruptions.images import corrupt

__all__ = ["corrupt", "corrupted_images"]

"""Accuracy of a classifier, without any fine-tuning, on any images: `python -m scaling.evaluate`."""

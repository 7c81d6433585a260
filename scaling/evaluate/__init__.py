"""A classifier as it is, on any images: `python -m scaling.evaluate`."""

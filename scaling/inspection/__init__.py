"""Attention, filters and positions inside a trained Transformer: `python -m scaling.inspection`."""

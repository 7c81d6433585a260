"""Measured costs (rows of table measure): speed and largest batch of each model, as in the ViT paper's Figure 12.

Speeds are per core, so that devices can be compared: a CPU thread, a GPU, half of a TPU v3 chip.
"""

from pathlib import Path

import polars as pl

from scaling.store import Storage, read_table


def newest_measurements(storage: str | Path | Storage) -> pl.DataFrame:
    """The newest measurement of each model, resolution, device and precision.

    Adds `per_core` (inference) and `trained_per_core` (training), both in images per second per core. Raises ValueError
    when the storage holds no measurements.
    """
    place = Storage.of(storage)
    rows = read_table(place, "measure")
    if rows.is_empty():
        raise ValueError(
            f"storage {place.uri} holds no measured costs: python -m scaling.measure MODEL... --storage {place.uri}"
        )
    keys = ["device", "precision", "family", "name", "spec", "resolution"]
    last = rows.sort("measured_at").unique(keys, keep="last").sort("device", "precision", "family", "name", "spec")
    return last.with_columns(
        per_core=pl.col("images_per_second") / pl.col("cores"),
        trained_per_core=pl.col("train_images_per_second") / pl.col("cores"),
    ).sort("device", "precision", "family", "name", "resolution", maintain_order=True)


def measurements_table(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of `newest_measurements` that people read: speeds in images per second per core.

    `MFU` is the fraction of the device's rate of matrix products that a training step reaches.
    """
    return rows.select(
        "device",
        "precision",
        model="name",
        pixels="resolution",
        inference=pl.col("per_core").round_sig_figs(4),
        batch="batch",
        largest_batch="largest_batch",
        training=pl.col("trained_per_core").round_sig_figs(4),
        compiled="compiled",
        MFU=pl.col("mfu").round(3),
        input=pl.col("input_images_per_second").round_sig_figs(4),
    )

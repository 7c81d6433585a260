"""Measured costs (rows of table measure): images a second and the largest batch by size, as the ViT paper's Figure 12.

Speeds are those of a core, so that devices compare: a CPU thread, a GPU, half of a TPU v3 chip.
"""

from pathlib import Path

import polars as pl

from scaling.store import Storage, read_table

GIB = 2**30
MEASURED_COLUMNS = {  # of a panel: (what is over it, what is at its axis)
    "per_core": ("Inference at the best batch", "images a second and core"),
    "largest_batch": ("Largest batch of inference", "images"),
}


def newest_measurements(storage: str | Path | Storage) -> pl.DataFrame:
    """The newest measurement of each model, resolution, device and precision, with `per_core`: images/s and core.

    Raises ValueError when there is none.
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
    """What people read of `newest`: speeds are images/s and core, `MFU` a fraction of the rate of matrix products."""
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

"""The points of the frontier as text cells."""

import polars as pl

from analysis.names import family_name, flops_unit
from analysis.rows import with_display_name
from analysis.tables.cells import percent


def frontier_table(frontier: pl.DataFrame) -> pl.DataFrame:
    """`analysis.compare.frontier`'s points as text cells; compute in the SI unit that fits them."""
    size, unit = flops_unit(frontier["exaflops_valid"].drop_nulls())
    rows = with_display_name(frontier).to_dicts()
    return pl.DataFrame(
        {
            "task": [row["task"] for row in rows],
            "model": [row["label"] + ("" if row["pretrained"] else " from scratch") for row in rows],
            "family": [family_name(row["family"]) for row in rows],
            unit: ["–" if row["exaflops_valid"] is None else f"{row['exaflops_valid'] / size:,.4g}" for row in rows],
            "accuracy (%)": [percent(row["top1_mean"], row["top1_std"]) for row in rows],
            "seeds": [str(row["seeds"]) for row in rows],
            "frontier": [
                "overall" if row["on_frontier"] else "family" if row["on_family_frontier"] else "" for row in rows
            ],
        }
    )

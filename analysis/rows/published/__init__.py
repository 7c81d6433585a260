"""The ViT paper's Tables 2, 5, 6, 7, 8 and 9 as rows of our own tables: the storage that is called `published`.

`published/table6` is one table of it. What a run was is taken from the studies that repeat the paper
(`search_spaces`); FLOPs, accuracies and core-days are as printed, and null where the table prints none: so Table 6 is
all that has compute. A table's runs are its own: the paper gives one model different numbers in different tables.

Table 2 prints means and deviations of three fine-tunings; the three rows m - s, m, m + s have these. Its core-days are
attempts on one core of a TPU v3, with the exaFLOPs that Table 6 prints for the same model.
"""

from analysis.rows.published.printed import printed_table
from analysis.rows.published.storage import (
    PAPER_FIGURES,
    PUBLISHED,
    PUBLISHED_TABLES,
    is_published,
    published_storage,
)

__all__ = [
    "PAPER_FIGURES",
    "PUBLISHED",
    "PUBLISHED_TABLES",
    "is_published",
    "printed_table",
    "published_storage",
]

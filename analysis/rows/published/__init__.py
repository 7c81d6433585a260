"""The ViT paper's Tables 2, 5, 6, 7, 8 and 9 as rows of our own tables: the storage that is called `published`.

`published/table6` is one table of it. What a run was is taken from the studies that repeat the paper
(`search_spaces`). FLOPs, accuracies and core-days are as printed, and null where the table prints none, so that only
Table 6 has compute. Each table has its own runs: the paper gives one model different numbers in different tables.

Table 2 prints mean m and standard deviation s of three fine-tunings; three rows with m - s, m and m + s have the same.
Its core-days are attempts on one core of a TPU v3, with the exaFLOPs that Table 6 prints for the same model.
"""

from analysis.rows.published.printed import PAPER_FIGURES, PUBLISHED_TABLES, printed_table
from analysis.rows.published.storage import PUBLISHED, is_published, published_storage

__all__ = ["PAPER_FIGURES", "PUBLISHED", "PUBLISHED_TABLES", "is_published", "printed_table", "published_storage"]

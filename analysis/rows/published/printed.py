"""The ViT paper's tables as it prints them: one CSV file each, beside this file."""

from pathlib import Path

PUBLISHED_TABLES = ("table2", "table5", "table6", "table7", "table8", "table9")
PAPER_FIGURES = {  # table: the figures and tables of the paper that are drawn from it
    **{"table2": ("table2",), "table5": ("figure3", "table5"), "table6": ("figure5", "table6")},
    **{"table7": ("table7",), "table8": ("table8",), "table9": ("figure2", "table9")},
}


def printed_table(part: str) -> Path:
    """The CSV file of one of `PUBLISHED_TABLES`; accuracies in percent, as printed."""
    return Path(__file__).parent / f"{part}.csv"

"""The paper's tables as it prints them."""

from pathlib import Path


def printed_table(part: str) -> Path:
    """The CSV file of a table as the paper prints it."""
    return Path(__file__).parent / f"{part}.csv"

"""The zoo as a table: sizes and costs by the closed forms. `python -m analysis zoo` prints it as Markdown."""

import polars as pl

from analysis.names import family_name
from analysis.tables.cells import to_markdown
from scaling.flops import forward_macs, parameters
from scaling.specs import ZOO, family

CLASSES = 1000  # of the classifier that the MACs include
SMALL, LARGE = 16, 224  # pixels: the micro models' images, and the paper's


def zoo_table() -> pl.DataFrame:
    """One row of text cells per model: parameters without the classifier, as in Table 1, and forward MACs per image."""
    rows = []
    for name, model in ZOO.items():
        side = SMALL if "micro" in name else LARGE
        every, valid = (forward_macs(model, side, CLASSES, valid=v) for v in (False, True))
        rows.append(
            {
                "model": name,
                "family": family_name(family(model)),
                "pixels": str(side),
                "parameters": f"{parameters(model, resolution=side):,}",
                "MACs": f"{every:,}",
                "MACs inside the image": f"{valid:,}",
            }
        )
    return pl.DataFrame(rows)


def zoo_page() -> str:
    """The table with what it means, in Markdown: `docs/zoo.md`."""
    return (
        "# The zoo\n\n"
        "The named models of `scaling/specs/zoo.py`, each row with its source; printed by `python -m analysis zoo`.\n"
        "Parameters leave out the classifier and count the hidden layer of the pre-training head, as the paper's\n"
        "Table 1 does. MACs are those of the forward pass of one image of so many pixels a side, with a classifier of\n"
        f"{CLASSES:,} classes: every tap of a padded convolution, as profilers count, and those inside the image, as\n"
        "the paper's Table 6 does. Training takes 6 FLOPs per MAC. Tests compare all of it with the built modules.\n\n"
        + to_markdown(zoo_table())
    )

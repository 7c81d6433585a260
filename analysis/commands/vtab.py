"""`python -m analysis vtab`: scores of the 19 tasks of VTAB-1k."""

from dataclasses import dataclass

import tyro

from analysis.commands.printing import print_json, print_table


@dataclass(frozen=True)
class Options:
    """Print VTAB-1k scores by task, group and mean, beside the ViT paper's.

    python -m analysis vtab results/finetune
    python -m analysis vtab s3://bucket/vtab --json
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows."""
    json: bool = False
    """Print one JSON value instead of text."""


def run(options: Options) -> None:
    from analysis.compare import published_vtab, vtab_scores, vtab_scores_table, vtab_top1
    from analysis.rows import load_rows

    ours = vtab_scores(vtab_top1(load_rows(options.storage)))
    theirs = vtab_scores(published_vtab())
    if options.json:
        print_json({"models": ours.to_dicts(), "published": theirs.to_dicts()})
        return
    print_table(vtab_scores_table(ours), "VTAB-1k, top-1 (%)")
    print_table(vtab_scores_table(theirs), "As published (Table 9 of the ViT paper)")

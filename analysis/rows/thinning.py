"""Which part of a large study is shown: a figure of a thousand lines is neither legible nor small.

Only figures and printed tables are thinned; the rows and `--json` keep everything.
"""

import polars as pl

PANEL_LINES = 40  # models of a panel
POINTS = 120  # of a panel, besides those on a frontier
TABLE_ROWS = 200  # of a table on the page
OPEN_ROWS = 25  # of a table that is not folded


def spread_over(frame: pl.DataFrame, column: str, most: int = PANEL_LINES) -> pl.DataFrame:
    """The rows of at most `most` runs, spread evenly over the order of `column`, the first and the last included."""
    order = frame.group_by("run_id").agg(_rank=pl.col(column).first()).sort("_rank", "run_id", nulls_last=True)
    if order.height <= most:
        return frame
    places = [round(i * (order.height - 1) / (most - 1)) for i in range(most)]
    return frame.join(order[places].select("run_id"), on="run_id", how="semi", maintain_order="left")


def at_most(points: pl.DataFrame, most: int = TABLE_ROWS) -> tuple[pl.DataFrame, int]:
    """About `most` of `analysis.compare.frontier`'s points, and how many that leaves out.

    Of more than `most`, those on a frontier; of more than `most` of these, some spread evenly over compute.
    """
    kept = points if points.height <= most else points.filter(pl.col("on_frontier") | pl.col("on_family_frontier"))
    if kept.height > most:
        kept = pl.concat(
            spread_over(part, "exaflops_valid", max(2, most // kept["task"].n_unique()))
            for _, part in kept.group_by("task", maintain_order=True)
        )
    return kept, points.height - kept.height


def is_crowded(points: pl.DataFrame) -> bool:
    """Whether a panel has too many points to name them all and to join them by lines."""
    return bool((points.group_by("task").len()["len"] > PANEL_LINES).any())


def fewer_points(points: pl.DataFrame) -> pl.DataFrame:
    """Of each task, all of `analysis.compare.frontier`'s points that are on a frontier, and at most `POINTS` others."""
    best = pl.col("on_frontier") | pl.col("on_family_frontier")
    others = [
        spread_over(part, "exaflops_valid", POINTS)
        for _, part in points.filter(~best).group_by("task", maintain_order=True)
    ]
    return pl.concat([points.filter(best), *others])


def thin_panels(frame: pl.DataFrame, panel: str) -> tuple[pl.DataFrame, str]:
    """At most `PANEL_LINES` runs of each panel, spread over their names, and what a figure says of it ('' if all)."""
    parts = [part for _, part in frame.group_by(panel, maintain_order=True)]
    fewer = [spread_over(part, "name") for part in parts]
    left_out = any(part.height < whole.height for part, whole in zip(fewer, parts, strict=True))
    return pl.concat(fewer), f" {PANEL_LINES} runs of each panel." if left_out else ""

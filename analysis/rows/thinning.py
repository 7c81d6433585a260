"""What of a large study is drawn: a figure of a thousand lines is neither read nor small. Tables and rows keep all."""

import polars as pl

PANEL_LINES = 40  # models of a panel
POINTS = 120  # of a panel, besides those on a frontier
TABLE_ROWS = 200  # of a table on the page
OPEN_ROWS = 25  # of one that is not folded


def spread_over(frame: pl.DataFrame, column: str, most: int = PANEL_LINES) -> pl.DataFrame:
    """The rows of at most `most` runs, spread evenly over the order of a column; the first and the last among them."""
    order = frame.group_by("run_id").agg(_rank=pl.col(column).first()).sort("_rank", "run_id", nulls_last=True)
    if order.height <= most:
        return frame
    places = [round(i * (order.height - 1) / (most - 1)) for i in range(most)]
    return frame.join(order[places].select("run_id"), on="run_id", how="semi", maintain_order="left")


def at_most(points: pl.DataFrame, most: int = TABLE_ROWS) -> tuple[pl.DataFrame, int]:
    """`frontier.frontier`'s points, or of more than `most` those on a frontier, or of more than `most` of these some
    spread evenly over compute; and how many that leaves out."""
    kept = points if points.height <= most else points.filter(pl.col("on_frontier") | pl.col("on_family_frontier"))
    if kept.height > most:
        kept = pl.concat(
            spread_over(part, "exaflops_valid", max(2, most // kept["task"].n_unique()))
            for _, part in kept.group_by("task", maintain_order=True)
        )
    return kept, points.height - kept.height


def is_crowded(points: pl.DataFrame) -> bool:
    """Whether there are too many points in a panel to name them all and to join them by lines."""
    return bool((points.group_by("task").len()["len"] > PANEL_LINES).any())


def fewer_points(points: pl.DataFrame) -> pl.DataFrame:
    """`frontier.frontier`'s points: of each task all that are on a frontier, and of the others at most `POINTS`."""
    best = pl.col("on_frontier") | pl.col("on_family_frontier")
    others = [
        spread_over(part, "exaflops_valid", POINTS)
        for _, part in points.filter(~best).group_by("task", maintain_order=True)
    ]
    return pl.concat([points.filter(best), *others])

from random import Random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.compare.frontier import frontier

POINTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=14)


def frame(points: list[tuple[str, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "place": range(len(points)),
            "task": ["t"] * len(points),
            "family": [p[0] for p in points],
            "pretrained": [True] * len(points),
            "exaflops_valid": [float(p[1]) for p in points],
            "top1_mean": [p[2] / 10 for p in points],
        }
    )


def dominated(point: tuple[str, int, int], others: list[tuple[str, int, int]]) -> bool:
    return any(o[1] <= point[1] and o[2] >= point[2] and (o[1], o[2]) != (point[1], point[2]) for o in others)


@settings(deadline=None, max_examples=60)
@given(POINTS)
def test_the_frontier_is_what_nothing_dominates(points: list[tuple[str, int, int]]) -> None:
    marked = frontier(frame(points))
    assert marked["place"].to_list() == list(range(len(points)))
    assert marked["on_frontier"].to_list() == [not dominated(p, points) for p in points]
    assert marked["on_family_frontier"].to_list() == [
        not dominated(p, [o for o in points if o[0] == p[0]]) for p in points
    ]


@settings(deadline=None, max_examples=30)
@given(POINTS, st.randoms())
def test_order_does_not_matter(points: list[tuple[str, int, int]], random: Random) -> None:
    whole = frame(points)
    order = list(range(len(points)))
    random.shuffle(order)
    assert frontier(whole[order]).sort("place").equals(frontier(whole))


def test_tasks_are_apart_and_controls_stand_outside() -> None:
    whole = frame([("a", 1, 5), ("a", 2, 6), ("a", 1, 9), ("a", 3, 3)]).with_columns(
        task=pl.Series(["t", "t", "t", "u"]), pretrained=pl.Series([True, True, False, True])
    )
    assert frontier(whole)["on_frontier"].to_list() == [True, True, False, True]
    without = whole.with_columns(exaflops_valid=pl.lit(None, pl.Float64))
    assert not frontier(without)["on_frontier"].any()
    assert frontier(whole.clear()).is_empty()
